-- name: counts
-- how much of everything there is, in one row
select
  (select count(*) from blocks) as blocks,
  (select count(*) from handles where reasons > 0) as wanted,
  (select count(*) from handles where ct64_digest <> '') as computed,
  (select count(*) from ciphertext_digest) as squashed,
  (select count(*) from verify_proofs) as proofs,
  (select count(*) from standing_alarms) as alarms;

-- name: queues
-- work by class: what waits, what is in flight, what is over
select work_class,
  count(*) filter (where state in ('blocked', 'ready')) as waiting,
  count(*) filter (where state in ('claimed', 'dispatched')) as in_flight,
  count(*) filter (where state = 'done') as done,
  count(*) filter (where state = 'failed') as failed
from work_items
where work_class <> 'publish'
group by work_class
order by work_class;

-- name: steps
-- how far these handles have come: known, computed, squashed
select count(*) as known,
  count(*) filter (where ct64_digest <> '') as computed,
  count(*) filter (where ct128_digest <> '') as squashed
from handles
where handle = any($1::bytea[]);

-- name: ciphertext
-- the stored ciphertext of a handle
select ciphertext from ciphertexts where handle = $1;

-- name: offsets
-- what the owners of shards apply next
select topic, part, topic_id, next_off from consumer_offset;

-- name: digests
-- what we would commit for these handles
select handle, key_id, ciphertext, ciphertext128 from ciphertext_digest where handle = any($1::bytea[]);

-- name: in_hand
-- items of a class that the process of this number has started in their last attempt and not answered
select count(*) as items from work_items
where work_class = $1 and state in ('claimed', 'dispatched') and started_at > claimed_at
  and worker like '%-' || $2::text;

-- name: drift
-- how the commits of these handles stand
select handle, state, agreed_block >= 0 as is_agreed, differing, missing from drift where handle = any($1::bytea[]);

-- name: answer
-- how our verdict over a request and the gateway's answer stand to each other, and the alarm while they differ
select p.standing, p.accepted, p.agreed, coalesce(a.detail, '') as alarm
from verify_proofs p
left join alarms a on a.tenant = p.tenant and a.kind = 'proof_disputed'
  and a.subject = decode(lpad(to_hex(p.zk_proof_id), 64, '0'), 'hex')
where p.tenant = $1 and p.zk_proof_id = $2;

-- name: verification
-- the item of this kind that verifies a request
select id from work_items
where tenant = $1 and kind = $3 and state <> 'cancelled'
  and substring(subject for 32) = decode(lpad(to_hex($2::bigint), 64, '0'), 'hex');

-- name: alarms
-- what an operator must see and has not acknowledged, by tenant and kind
select tenant, kind, count(*) as count from standing_alarms group by tenant, kind;
