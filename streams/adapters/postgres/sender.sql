-- The sender's table. Writes are fenced: they change nothing unless the epoch is the address's last.

-- name: lock
-- Become the holder of an address, as long as this connection lives.
select pg_try_advisory_lock(hashtextextended('cipherstream.sender.' || encode($1::bytea, 'hex'), 0));

-- name: unlock
-- Stop being the holder.
select pg_advisory_unlock(hashtextextended('cipherstream.sender.' || encode($1::bytea, 'hex'), 0));

-- name: claim
-- A new epoch for the holder.
insert into sender_epochs (address, epoch) values ($1, 1)
on conflict (address) do update set epoch = sender_epochs.epoch + 1
returning epoch;

-- name: find
-- The row of a call that is under way or done.
select * from transactions where address = $1 and call_hash = $2 and state in ('signed', 'confirmed');

-- name: signed
-- Calls whose end is not known.
select * from transactions where address = $1 and state = 'signed' order by nonce;

-- name: from_nonce
-- Transactions that a node may have lost, those that lost their nonce included.
select * from transactions where address = $1 and nonce >= $2 order by nonce limit $3;

-- name: made
-- What was made in that block and above; by nonce, which grows with the blocks and has an index.
select newest.* from (select * from transactions where address = $1 order by nonce desc limit $3) newest
where newest.state in ('confirmed', 'lost') and newest.block_number > 0 and newest.block_number >= $2
order by newest.nonce;

-- name: next_nonce
-- One above the highest nonce that was ever used.
select coalesce(max(nonce) + 1, 0) from transactions where address = $1;

-- name: insert
-- Take a nonce for a call.
with holder as (select 1 from sender_epochs where address = $2 and epoch = $1 for share)
insert into transactions (address, nonce, call_hash, item, tenant, to_address, data, gas, raw, hash, max_fee,
  priority_fee, earlier, state)
select $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '{}', 'signed' from holder
returning nonce;

-- name: replace
-- Other bytes, with that gas, for the same nonce and call, whatever became of it.
with holder as (select 1 from sender_epochs where address = $2 and epoch = $1 for share)
update transactions set raw = $5, hash = $6, max_fee = $7, priority_fee = $8, gas = $9,
  earlier = hash || earlier
from holder where address = $2 and nonce = $3 and call_hash = $4
returning nonce;

-- name: refill
-- Another call under the same nonce: what was signed for the old one is remembered by its hashes.
with holder as (select 1 from sender_epochs where address = $2 and epoch = $1 for share)
update transactions set call_hash = $5, item = $6, tenant = $7, to_address = $8, data = $9, gas = $10, raw = $11,
  hash = $12, max_fee = $13, priority_fee = $14, earlier = hash || earlier, state = 'signed', block_number = 0,
  transaction_hash = ''
from holder where address = $2 and nonce = $3 and call_hash = $4
returning nonce;

-- name: settle
-- A call of that state is in another one.
with holder as (select 1 from sender_epochs where address = $2 and epoch = $1 for share)
update transactions set state = $6, transaction_hash = $7, block_number = $8, settled_at = now()
from holder where address = $2 and nonce = $3 and call_hash = $4 and state = $5
returning nonce;

-- name: refused
-- One more refusal of a call.
insert into refusals as r (address, call_hash, item, tenant, error) values ($1, $2, $3, $4, $5)
on conflict (address, call_hash) do update
  set count = r.count + 1, error = excluded.error, item = excluded.item, last_at = now()
returning count;
