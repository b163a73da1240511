-- Items of one contract are read key set by key set: those that no worker has, or whose workers are busy, are not
-- walked through to find the others.
drop index idx_schedule_order;
create index idx_schedule_order
  on work_items (shard, work_class, tenant, contract, priority desc, key_id, created_at, id, not_before_ms)
  where state = 'ready';
