-- What a message holds, one query per kind of item; `at` is the item's place in what was asked for.

-- name: members
-- Operations of components.
select i.at, m.*
from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
join work_members m on m.tenant = i.tenant and m.item = i.id;

-- name: inputs
-- Stored ciphertexts that components need from outside.
with member as (
  select i.at, m.tenant, m.handle, m.dependencies
  from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
  join work_members m on m.tenant = i.tenant and m.item = i.id
), input as (
  select distinct m.at, m.tenant, d.handle
  from member m cross join lateral unnest(m.dependencies) as d(handle)
  where not exists (select 1 from member o where o.at = m.at and o.handle = d.handle)
)
select i.at, c.* from input i join ciphertexts c on c.tenant = i.tenant and c.handle = i.handle;

-- name: proofs
-- Requests to verify an input.
select i.at, p.*
from unnest($1::text[], $2::bigint[]) with ordinality as i(tenant, zk_proof_id, at)
join verify_proofs p on p.tenant = i.tenant and p.zk_proof_id = i.zk_proof_id;

-- name: squashes
-- Stored ciphertexts to squash, with a transaction that made them.
select i.at, c.*,
  coalesce((select m.transaction_id from computations m
    where m.tenant = c.tenant and m.output_handle = c.handle order by m.transaction_id limit 1), '') as transaction_id
from unnest($1::text[], $2::bytea[]) with ordinality as i(tenant, handle, at)
join ciphertexts c on c.tenant = i.tenant and c.handle = i.handle;

-- name: digests
-- Digests of handles whose objects are in the store.
select i.at, d.*, h.fhe_type
from unnest($1::text[], $2::bytea[]) with ordinality as i(tenant, handle, at)
join ciphertext_digest d on d.tenant = i.tenant and d.handle = i.handle
join handles h on h.tenant = i.tenant and h.handle = i.handle;

-- name: seen
-- When items were made, which is when what asks for them was first seen.
select i.at, (extract(epoch from w.created_at) * 1000)::bigint as seen_ms
from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
join work_items w on w.tenant = i.tenant and w.id = i.id;

-- name: failed
-- Items that failed for good.
select i.at, w.*
from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
join work_items w on w.tenant = i.tenant and w.id = i.id;

-- name: letters
-- Records that did not decode.
select i.at, d.*
from unnest($1::bytea[]) with ordinality as i(id, at) join dead_letters d on d.id = i.id;
