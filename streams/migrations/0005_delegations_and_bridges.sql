-- Events that are kept for people: delegations of user decryption, and what the bridge says.

create table delegate_user_decrypt (
  shard int not null,
  tenant text not null,
  block_hash bytea not null,
  log_index bigint not null,
  transaction_id bytea not null,
  delegator bytea not null,
  delegate bytea not null,
  contract_address bytea not null,
  delegation_counter numeric not null,
  old_expiration_date numeric not null,
  new_expiration_date numeric not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, block_hash, log_index)
);
create index delegate_user_decrypt_place on delegate_user_decrypt (tenant, delegator, delegate, contract_address);

create table bridge_events (
  shard int not null,
  tenant text not null,
  block_hash bytea not null,
  log_index bigint not null,
  transaction_id bytea not null,
  kind text not null,
  dst_chain_id numeric not null,
  src_handle bytea not null,
  dst_handle bytea not null,
  dapp bytea not null,
  guid bytea not null,
  plaintext bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, block_hash, log_index)
);
create index bridge_events_src_handle on bridge_events (src_handle);
create index bridge_events_dst_handle on bridge_events (dst_handle);

-- Delegations as they stand: the last event of the canonical branch for each (delegator, delegate, contract).
create view delegations as
select distinct on (d.tenant, d.delegator, d.delegate, d.contract_address)
  d.tenant, d.delegator, d.delegate, d.contract_address, d.delegation_counter,
  d.new_expiration_date as expiration_date, d.new_expiration_date = 0 as is_revoked, b.number as block_number,
  d.transaction_id, d.seen_at
from delegate_user_decrypt d
join blocks b on b.tenant = d.tenant and b.hash = d.block_hash and b.status = 'canonical'
order by d.tenant, d.delegator, d.delegate, d.contract_address, b.number desc, d.log_index desc;

-- What came or went over the bridge on the canonical branch. This release carries nothing over it.
create view bridges as
select e.tenant, e.kind, 'unsupported' as status, e.src_handle, e.dst_handle, e.dst_chain_id, e.dapp, e.guid,
  e.plaintext, b.number as block_number, e.transaction_id, e.seen_at
from bridge_events e
join blocks b on b.tenant = e.tenant and b.hash = e.block_hash and b.status = 'canonical';
