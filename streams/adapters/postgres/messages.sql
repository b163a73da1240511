-- What a message holds, each item's rows as records, so that the queries of all kinds of items can be one; `at` is the
-- item's place in what was asked for. `{m}` and its like are the columns of the table with that alias, in the order of its
-- row's fields; `arrays`, always null, tells the driver of a type that the record may have in it.

-- name: members
-- Operations of components.
select i.at, row({m}) as found, null::bytea[] as arrays
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
select i.at, row({c}) as found, null::bytea[] as arrays
from input i join ciphertexts c on c.tenant = i.tenant and c.handle = i.handle;

-- name: proofs
-- Requests to verify an input.
select i.at, row({p}) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as i(tenant, zk_proof_id, at)
join verify_proofs p on p.tenant = i.tenant and p.zk_proof_id = i.zk_proof_id;

-- name: squashes
-- Stored ciphertexts to squash, with a transaction that made them.
select i.at, row({c}, coalesce((select m.transaction_id from computations m
    where m.tenant = c.tenant and m.output_handle = c.handle order by m.transaction_id limit 1), '')) as found,
  null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as i(tenant, handle, at)
join ciphertexts c on c.tenant = i.tenant and c.handle = i.handle;

-- name: digests
-- Digests of handles whose objects are in the store, with the type of each.
select i.at, row({d}, h.fhe_type) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as i(tenant, handle, at)
join ciphertext_digest d on d.tenant = i.tenant and d.handle = i.handle
join handles h on h.tenant = i.tenant and h.handle = i.handle;

-- name: seen
-- When items were made, which is when what asks for them was first seen.
select i.at, row((extract(epoch from w.created_at) * 1000)::bigint) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
join work_items w on w.tenant = i.tenant and w.id = i.id;

-- name: failed
-- Items that failed for good.
select i.at, row({w}) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as i(tenant, id, at)
join work_items w on w.tenant = i.tenant and w.id = i.id;

-- name: letters
-- Records that did not decode.
select i.at, row(l.id, l.tenant, l.topic, l.part, l.off, l.key, l.value, l.header_names, l.header_values, l.error_class,
  l.error) as found, null::bytea[] as arrays
from unnest($1::bytea[]) with ordinality as i(id, at) join dead_letters l on l.id = i.id;
