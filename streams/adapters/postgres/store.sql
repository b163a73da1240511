-- Ownership, offsets, the work queue, halted tenants, dead letters.

-- name: claim_shard
-- Become the owner with the next epoch; the row lock waits for an open transaction of the owner before.
insert into shard_owner as o (shard, epoch, owner) values ($1, 1, $2)
on conflict (shard) do update set epoch = o.epoch + 1, owner = excluded.owner, claimed_at = now()
returning epoch;

-- name: insert_offset
-- A topic that this shard never read starts at its first record.
insert into consumer_offset (topic, part, topic_id, next_off) values ($1, $2, $3, 0) on conflict do nothing;

-- name: offsets
-- Where a shard stands in its topics.
select topic, topic_id, next_off from consumer_offset where part = $1 and topic = any($2::text[]);

-- name: halted
-- Tenants of a shard whose records are kept, not applied.
select tenant from halted_tenants where shard = $1;

-- name: places
-- Where the tenants of a shard stand, for operators.
select tenant, tip_number, gateway_number from tenants where shard = $1 order by tenant;

-- name: all_halted
-- Halted tenants, for operators; the subject of the alarm is the identity of the record that it names.
select t.tenant, t.topic, t.part, t.off, coalesce(encode(a.subject, 'hex'), '') as record, t.error
from halted_tenants t left join alarms a on a.tenant = t.tenant and a.kind = $1
order by t.tenant;

-- name: begin
-- The fence begins every transaction of an owner; without parameters, both are one round trip.
begin; select 1 from shard_owner where shard = {shard:d} and epoch = {epoch:d} for share;

-- name: plan_anew
-- Plans that were made for smaller tables.
discard plans;

-- name: is_owner
-- The fence of a query that stands alone, as one of several: nothing when the shard has a newer owner.
select 1::bigint as at, row(epoch) as found, null::bytea[] as arrays from shard_owner where shard = $1 and epoch = $2;

-- name: advance
-- Move the next offset, only from where it must be.
update consumer_offset set next_off = $4 where topic = $1 and part = $2 and next_off = $3 returning 1;

-- name: repair_offset
-- An operator accepts that records are lost: the shard goes on at this offset of this topic.
insert into consumer_offset (topic, part, topic_id, next_off) values ($1, $2, $3, $4)
on conflict (topic, part) do update set topic_id = excluded.topic_id, next_off = excluded.next_off;

-- name: downstream
-- Items that wait for tokens, for what those items bring, and so on: a chain of any length in one query.
with recursive down as (
  select tenant, item from work_waits where tenant = $1 and token = any($2::bytea[])
  union
  select next.tenant, next.item
  from down d
  cross join lateral (
    select w.tenant, w.item
    from work_members m
    join work_waits w on w.tenant = m.tenant and w.token = 'ct64:'::bytea || m.handle
    where m.tenant = d.tenant and m.item = d.item and m.is_output
    union all
    select w.tenant, w.item
    from work_items i
    join work_waits w on w.tenant = i.tenant and w.token = 'ct128:'::bytea || i.subject
    where i.tenant = d.tenant and i.id = d.item and i.kind = 'squash'
  ) as next
)
select item from down;

-- name: upstream
-- Items, those that make what they lack, and so on, as far as each has ended: a chain of any length in one query.
with recursive up as (
  select $1::text as tenant, item from unnest($2::text[]) as item
  union
  select h.tenant, h.compute_item
  from up u
  join work_items i on i.tenant = u.tenant and i.id = u.item
  join work_waits w on w.tenant = i.tenant and w.item = i.id
  join handles h on h.tenant = w.tenant and h.handle = substring(w.token from 6)
  where i.missing > 0 and i.state in ('done', 'failed', 'cancelled')
    and substring(w.token for 5) = 'ct64:' and h.compute_item <> ''
)
select item from up;

-- name: ancestors
-- Blocks, their parents, and so on, at most $3 of each branch: a branch of any length in one query.
with recursive up as (
  select hash, parent_hash, 1 as depth from blocks where tenant = $1 and hash = any($2::bytea[])
  union
  select b.hash, b.parent_hash, u.depth + 1
  from up u
  join blocks b on b.tenant = $1 and b.hash = u.parent_hash
  where u.depth < $3::bigint
)
select distinct hash from up;

-- name: orphans
-- Blocks that wait for these, those that wait for them, and so on, at most $3: no more are looked for then.
with recursive down as (
  select hash from blocks where tenant = $1 and parent_hash = any($2::bytea[]) and status = 'pending_parent'
  union
  select b.hash
  from down d
  join blocks b on b.tenant = $1 and b.parent_hash = d.hash and b.status = 'pending_parent'
)
select hash from down limit $3::bigint;

-- name: ends
-- Ends of ranges of the gateway, those before them, and so on, at most $3 of each.
with recursive back as (
  select number, previous, 1 as depth from gateway_blocks where tenant = $1 and number = any($2::bigint[])
  union
  select g.number, g.previous, b.depth + 1
  from back b
  join gateway_blocks g on g.tenant = $1 and g.number = b.previous
  where b.depth < $3::bigint
)
select distinct number from back;

-- name: ready
-- How many items are claimed or dispatched, by worker; while those are fewer than $6, the first items of each contract,
-- priority and key set that may be claimed, without paused tenants, in the order of the queue. It goes from one (tenant,
-- contract, priority, key set) to the next by the index, so one with a million items costs what any other does, also
-- where it is none of the key sets $7 (null: any).
with recursive busy as (
  select worker, count(*) as items from work_items
  where shard = $1 and work_class = $2 and state in ('claimed', 'dispatched') group by worker
), room as (
  select $6::bigint - coalesce(sum(items), 0)::bigint as items from busy
), flow as (
  (
    select tenant, contract, priority, key_id from work_items
    where shard = $1 and work_class = $2 and state = 'ready' and (select items from room) > 0
    order by tenant, contract, priority desc, key_id limit 1
  )
  union all
  select coalesce(a.tenant, b.tenant, c.tenant), coalesce(a.contract, b.contract, c.contract),
    coalesce(a.priority, b.priority, c.priority), coalesce(a.key_id, b.key_id, c.key_id)
  from flow f
  left join lateral (
    select tenant, contract, priority, key_id from work_items
    where shard = $1 and work_class = $2 and state = 'ready'
      and tenant = f.tenant and contract = f.contract and priority = f.priority and key_id > f.key_id
    order by key_id limit 1
  ) as a on true
  left join lateral (
    select tenant, contract, priority, key_id from work_items
    where a.tenant is null
      and shard = $1 and work_class = $2 and state = 'ready'
      and tenant = f.tenant and contract = f.contract and priority < f.priority
    order by priority desc, key_id limit 1
  ) as b on true
  left join lateral (
    select tenant, contract, priority, key_id from work_items
    where a.tenant is null and b.tenant is null
      and shard = $1 and work_class = $2 and state = 'ready' and (tenant, contract) > (f.tenant, f.contract)
    order by tenant, contract, priority desc, key_id limit 1
  ) as c on true
  where coalesce(a.tenant, b.tenant, c.tenant) is not null
), first as (
  select i.* from flow
  cross join lateral (
    select tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause,
      attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id, created_at
    from work_items w
    where w.shard = $1 and w.work_class = $2 and w.state = 'ready' and w.not_before_ms <= $3
      and w.tenant = flow.tenant and w.contract = flow.contract and w.priority = flow.priority
      and w.key_id = flow.key_id
      -- Not beside the tenants below: a plan for the key sets at hand would look cheaper than one for any, and be made
      -- again each time.
      and ($7::bytea[] is null or flow.key_id = any($7::bytea[]))
    order by w.created_at, w.id
    limit least($4::bigint, (select items from room))
  ) as i
  where flow.tenant <> all($5::text[])
)
-- Rows of items and rows of workers: what is joined on false has no row in common.
select busy.worker as holder, busy.items as in_flight, first.* from busy full join first on false
order by first.tenant, first.contract, first.priority desc, first.created_at, first.id;

-- name: outstanding
-- Estimated cost of what is in flight per class and worker, over all shards.
select work_class, worker, sum(cost_ms)::bigint as cost_ms from work_items
where state in ('claimed', 'dispatched') and worker <> '' group by work_class, worker;

-- name: reclaim
-- Take over what owners before claimed and may not have published.
update work_items set epoch = $2
where shard = $1 and state = 'claimed' and epoch < $2
returning tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause,
  attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id;

-- name: dispatched
-- The broker has the messages; a publication is done with that.
update work_items as w set
  state = case w.work_class when 'publish' then 'done' else 'dispatched' end,
  deadline_ms = greatest(w.deadline_ms, $5),
  dispatched_at = to_timestamp(i.reported_us / 1000000.0),
  finished_at = case w.work_class when 'publish' then now() end
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as i(tenant, id, attempt, reported_us)
where w.tenant = i.tenant and w.id = i.id and w.attempt = i.attempt and w.state = 'claimed';

-- name: late
-- What passed its deadline or lies at a worker that is not alive.
select tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause,
  attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id
from work_items
where shard = $1 and state = 'dispatched'
  and (deadline_ms < $2 or (work_class in ('tfhe', 'zkproof', 'sns') and worker <> '' and worker <> all($3::text[])));

-- name: demand
-- Open work per shard, class and key set.
select shard, work_class, key_id,
  coalesce(sum(cost_ms) filter (where state = 'ready' and not_before_ms <= $1 and tenant <> all($3::text[])), 0)::bigint
    as ready_cost_ms,
  -- without words about tenants nobody is looked for
  coalesce(sum(cost_ms * case cardinality($4::text[]) when 0 then $6::bigint else
      coalesce(($5::bigint[])[array_position($4::text[], work_class || '/' || tenant)], $6::bigint) end)
    filter (where state = 'ready' and not_before_ms <= $1 and tenant <> all($3::text[])), 0)::bigint as weighed_cost_ms,
  count(*) filter (where state = 'ready' and not_before_ms <= $1 and tenant <> all($3::text[])) as ready,
  count(*) filter (where state = 'ready' and not_before_ms > $1 and tenant <> all($3::text[])) as delayed,
  count(*) filter (where state <> 'ready') as in_flight,
  count(*) filter (where state = 'ready' and tenant = any($3::text[])) as paused,
  count(*) filter (where state = 'dispatched' and (deadline_ms < $1 or (work_class in ('tfhe', 'zkproof', 'sns')
    and worker <> '' and worker <> all($2::text[])))) as overdue
from work_items
where state in ('ready', 'claimed', 'dispatched')
group by shard, work_class, key_id;

-- name: unsent
-- Digests that wait for their commit, of handles that are still goals; open answers and rights.
select
  (select count(*) from ciphertext_digest d
    join handles h on h.tenant = d.tenant and h.handle = d.handle
    where not d.txn_is_sent and h.reasons > 0) as digests,
  count(*) filter (where kind = 'proof_response') as answers,
  count(*) filter (where kind = 'allow') as rights
from work_items
where work_class = 'sender' and state in ('ready', 'claimed', 'dispatched');

-- name: park
-- Keep bytes that do not decode.
insert into dead_letters (id, shard, tenant, topic, part, off, key, value, header_names, header_values, error_class, error)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict (id) do nothing;

-- name: halt
-- Apply nothing more of a tenant.
insert into halted_tenants (tenant, shard, topic, part, off, error) values ($1, $2, $3, $4, $5, $6)
on conflict (tenant) do update set error = excluded.error;

-- name: hold
-- Keep a record of a halted tenant.
insert into halted_records
  (id, shard, tenant, topic, part, off, key, value, header_names, header_values, timestamp_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (id) do nothing;

-- name: held
-- The oldest kept records of a tenant.
select topic, part, off, key, value, header_names, header_values, timestamp_ms
from halted_records where tenant = $1 order by seq limit $2;

-- name: drop_held
-- Kept records that are applied.
delete from halted_records where id = any($1::bytea[]);

-- name: resume
-- The tenant is no longer halted, and its alarm is over.
with over as (delete from alarms where tenant = $1 and kind = $2)
delete from halted_tenants where tenant = $1;

-- name: knows_request
-- Whether an operator's command was carried out.
select 1 from control_requests where request = $1;

-- name: take_request
-- Remember an operator's command as carried out.
insert into control_requests (request, tenant) values ($1, $2) on conflict do nothing;

-- name: acknowledge
-- Remember which alarms an operator knows of; of two words about the same the first stays.
insert into alarm_acknowledgements (tenant, kind, subject, detail_digest, reason, request)
select $1, $2, subject, detail_digest, $5, $6
from unnest($3::bytea[], $4::bytea[]) as a(subject, detail_digest)
on conflict do nothing;

-- name: alarms
-- Alarms of a kind that nobody has acknowledged as they are.
select subject, detail from standing_alarms where tenant = $1 and kind = $2 order by subject, detail;
