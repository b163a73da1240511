-- name: operations
-- the events that make this handle, with their blocks
select c.tenant, c.seen_at as at, c.fhe_operation, c.fhe_type, c.transaction_id, c.log_index, b.number as block_number,
  coalesce(b.status, 'unknown') as block_status
from computations c
left join blocks b on b.tenant = c.tenant and b.hash = c.block_hash
where c.output_handle = $1
order by c.seen_at;

-- name: uses
-- the first operations that take this handle
select c.tenant, c.seen_at as at, c.fhe_operation, c.output_handle, b.number as block_number,
  coalesce(b.status, 'unknown') as block_status
from computations c
left join blocks b on b.tenant = c.tenant and b.hash = c.block_hash
where c.dependencies @> array[$1::bytea]
order by c.seen_at limit 100;

-- name: proofs
-- the requests whose list held this handle
select tenant, seen_at as at, zk_proof_id, state, block_number, last_error, standing,
  decode(lpad(to_hex(zk_proof_id), 64, '0'), 'hex') as subject
from verify_proofs
where $1 = any(handles || agreed)
order by zk_proof_id;

-- name: allowances
-- who may use or decrypt this handle
select a.tenant, a.seen_at as at, a.account_address, a.event_type, b.number as block_number,
  coalesce(b.status, 'unknown') as block_status
from allowed_handles a
left join blocks b on b.tenant = a.tenant and b.hash = a.block_hash
where a.handle = $1
order by a.seen_at;

-- name: bridges
-- what the bridge says of this handle
select e.tenant, e.seen_at as at, e.kind, e.src_handle, e.dst_handle, e.dst_chain_id, b.number as block_number,
  coalesce(b.status, 'unknown') as block_status
from bridge_events e
left join blocks b on b.tenant = e.tenant and b.hash = e.block_hash
where e.src_handle = $1 or e.dst_handle = $1
order by e.seen_at;

-- name: verdicts
-- the verdict over that list, of the time when its item ended: all its ciphertexts are stored then
select p.tenant, i.finished_at as at, array_position(p.handles, $1) as place, cardinality(p.handles) as length
from verify_proofs p
join work_items i on i.tenant = p.tenant and i.kind = 'proof'
  and substring(i.subject for 32) = decode(lpad(to_hex(p.zk_proof_id), 64, '0'), 'hex')
where $1 = any(p.handles) and i.finished_at is not null
order by i.finished_at;

-- name: work
-- the items that verify, answer, compute, squash, commit and announce this handle; of these requests, too
select i.tenant, i.id, i.work_class, i.kind, i.state, i.attempt, i.worker, i.cause, i.created_at, i.claimed_at,
  i.dispatched_at, i.started_at, i.finished_at
from work_items i
where i.subject = $1
  or i.kind = 'allow' and substring(i.subject for 32) = $1
  or (i.tenant, i.id) in (select h.tenant, h.compute_item from handles h where h.handle = $1)
  or (i.kind in ('proof', 'proof_response') or i.kind = 'proof_replay' and i.state <> 'cancelled')
  and (i.tenant, substring(i.subject for 32)) in (select * from unnest($2::text[], $3::bytea[]))
order by i.created_at, i.kind <> 'proof', i.id; -- one transaction makes a proof's item and its answer's

-- name: stored
-- the ciphertext of this handle
select tenant, seen_at as at, length(ciphertext) as size_bytes, key_id from ciphertexts where handle = $1;

-- name: digests
-- what was uploaded and attested
select tenant, seen_at as at, ciphertext as ct64_digest, ciphertext128 as ct128_digest, ciphertext128_format as format
from ciphertext_digest
where handle = $1;

-- name: transactions
-- what the sender signed for this handle, and to answer the request that it came with
select t.tenant, i.kind, t.signed_at, t.settled_at, t.nonce, t.hash, t.state, t.block_number
from transactions t
join work_items i on i.tenant = t.tenant and i.id = t.item
where i.subject = $1
  or i.kind = 'proof_response' and (i.tenant, substring(i.subject for 32)) in (select * from unnest($2::text[], $3::bytea[]))
order by t.signed_at;

-- name: commits
-- our commit as the gateway told it
select tenant, seen_at as at, key_id from gateway_commits where handle = $1;

-- name: divergences
-- other bytes than the first that somebody found for this handle
select tenant, seen_at as at, kind from divergences where subject = $1;

-- name: waits
-- what the items of this handle still wait for
select w.tenant, w.item, w.token
from work_waits w
join work_items i on i.tenant = w.tenant and i.id = w.item
where i.subject = $1
  or (i.tenant, i.id) in (select h.tenant, h.compute_item from handles h where h.handle = $1)
  or (i.kind in ('proof', 'proof_response') or i.kind = 'proof_replay' and i.state <> 'cancelled')
  and (i.tenant, substring(i.subject for 32)) in (select * from unnest($2::text[], $3::bytea[]));
