-- Commits of all operators on the gateway, and how they stand to each other and to ours.

alter table tenants add column gateway_s bigint not null default 0;
alter table tenants add column coprocessors bytea[] not null default '{}';

create table gateway_materials (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  tx_sender bytea not null,
  key_id bytea not null,
  ciphertext bytea not null,
  ciphertext128 bytea not null,
  block_number bigint not null,
  range_end bigint not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle, tx_sender)
);
create index gateway_materials_range_end on gateway_materials (tenant, range_end);

create table gateway_consensus (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  key_id bytea not null,
  ciphertext bytea not null,
  ciphertext128 bytea not null,
  block_number bigint not null,
  range_end bigint not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);
create index gateway_consensus_range_end on gateway_consensus (tenant, range_end);

create table drift (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  state text not null,
  opened_block bigint not null,
  agreed_block bigint not null,
  completed_block bigint not null,
  due bigint not null,
  is_waiting boolean not null,
  is_late boolean not null,
  is_other boolean not null,
  differing bytea[] not null,
  missing bytea[] not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);
create index drift_due on drift (tenant, due);
create index drift_is_waiting on drift (tenant, is_waiting);
create index drift_state on drift (state);
