-- What is open is asked by key set too: items of one that no worker has take no share of the workers.
drop index idx_pending_tasks;
create index idx_pending_tasks on work_items (shard, work_class, key_id)
  include (state, tenant, cost_ms, not_before_ms, deadline_ms, worker)
  where state in ('ready', 'claimed', 'dispatched');
