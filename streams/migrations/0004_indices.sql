-- Indices under the names that operators of the existing coprocessor know, and what they serve.

-- The sweep asks each second what is open: answered from the index, whatever is done and over.
create index idx_pending_tasks on work_items (shard, work_class)
  include (state, tenant, cost_ms, not_before_ms, deadline_ms, worker)
  where state in ('ready', 'claimed', 'dispatched');

-- The order in which a contract's items are claimed. The last column lets those that wait for another attempt
-- be passed over without a look at their rows.
create index idx_schedule_order
  on work_items (shard, work_class, tenant, contract, priority desc, created_at, id, not_before_ms)
  where state = 'ready';
drop index work_items_ready;

-- What is in flight, and at which worker: small, whatever waits.
drop index work_items_in_flight;
create index work_items_in_flight on work_items (work_class, shard) include (worker, cost_ms)
  where state in ('claimed', 'dispatched');

-- Who uses a handle, of any tenant.
create index idx_computations_dependencies on computations using gin (dependencies);

-- Whether a digest is on the gateway; what is not, oldest first.
alter table ciphertext_digest add column txn_is_sent boolean not null default false;
update ciphertext_digest d set txn_is_sent = true
from work_items i
where i.tenant = d.tenant and i.subject = d.handle and i.kind = 'add_material' and i.state = 'done';
create index idx_ciphertext_digest_handle on ciphertext_digest (handle);
create index idx_ciphertext_digest_unsent on ciphertext_digest (seen_at) include (tenant, handle)
  where not txn_is_sent;

-- Rights, with the place of their block: an account that is empty means everybody.
create view acl_entries as
select a.tenant, a.handle, a.account_address, a.account_address = '' as is_public, a.event_type, a.transaction_id,
  a.block_hash, b.number as block_number, coalesce(b.status, 'unknown') as block_status,
  coalesce(b.status = 'canonical', false) as holds, a.seen_at
from allowed_handles a
left join blocks b on b.tenant = a.tenant and b.hash = a.block_hash;
