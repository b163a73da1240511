-- The materialised state of the graph agents: one table per row class of domain/rows.py.
-- `shard` is the partition of events.v1 and results.v1 whose owner writes the row. The columns *_at say when
-- the store saw a step; no decision reads them.

create table tenants (
  shard int not null,
  tenant text not null,
  chain_id bigint not null,
  tip_hash bytea not null,
  tip_number bigint not null,
  blocks_seen bigint not null,
  key_id bytea not null,
  engine text not null,
  crs_id bytea not null,
  gateway_number bigint not null,
  gateway_hash bytea not null,
  primary key (tenant)
);

create table blocks (
  shard int not null,
  tenant text not null,
  hash bytea not null,
  parent_hash bytea not null,
  number bigint not null,
  timestamp bigint not null,
  status text not null,
  sequence bigint not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, hash)
);
create index blocks_parent_hash on blocks (tenant, parent_hash);

create table computations (
  shard int not null,
  tenant text not null,
  output_handle bytea not null,
  transaction_id bytea not null,
  block_hash bytea not null,
  log_index bigint not null,
  fhe_operation bigint not null,
  dependencies bytea[] not null,
  is_scalar boolean not null,
  fhe_type bigint not null,
  caller bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, output_handle, transaction_id, block_hash)
);
create index computations_output_handle on computations (tenant, output_handle);
create index computations_transaction_id_block_hash on computations (tenant, transaction_id, block_hash);
create index computations_block_hash on computations (tenant, block_hash);

create table allowed_handles (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  account_address bytea not null,
  block_hash bytea not null,
  event_type bigint not null,
  transaction_id bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle, account_address, block_hash)
);
create index allowed_handles_block_hash on allowed_handles (tenant, block_hash);

create table handles (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  fhe_type bigint not null,
  operation_digest bytea not null,
  reasons bigint not null,
  compute_item text not null,
  followed boolean not null,
  key_id bytea not null,
  ct64_digest bytea not null,
  ct128_digest bytea not null,
  is_input boolean not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);

create table ciphertexts (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  fhe_type bigint not null,
  key_id bytea not null,
  ciphertext bytea not null,
  is_input boolean not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);

create table ciphertext_digest (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  key_id bytea not null,
  ciphertext bytea not null,
  ciphertext128 bytea not null,
  ciphertext128_format bigint not null,
  signer bytea not null,
  attestation bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);

create table gateway_commits (
  shard int not null,
  tenant text not null,
  handle bytea not null,
  key_id bytea not null,
  ciphertext bytea not null,
  ciphertext128 bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, handle)
);

create table verify_proofs (
  shard int not null,
  tenant text not null,
  zk_proof_id bigint not null,
  range_end bigint not null,
  block_number bigint not null,
  transaction_id bytea not null,
  chain_id bigint not null,
  contract_address bytea not null,
  user_address bytea not null,
  input bytea not null,
  extra_data bytea not null,
  state text not null,
  crs_id bytea not null,
  verified boolean,
  handles bytea[] not null,
  last_error text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, zk_proof_id)
);
create index verify_proofs_range_end on verify_proofs (tenant, range_end);

create table gateway_blocks (
  shard int not null,
  tenant text not null,
  number bigint not null,
  hash bytea not null,
  previous bigint not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, number)
);

create table work_items (
  shard int not null,
  tenant text not null,
  id text not null,
  work_class text not null,
  kind text not null,
  subject bytea not null,
  affinity bytea not null,
  contract bytea not null,
  cost_ms bigint not null,
  state text not null,
  priority bigint not null,
  missing bigint not null,
  key_id bytea not null,
  cause text not null,
  attempt bigint not null,
  uncomputable_counter bigint not null,
  not_before_ms bigint not null,
  deadline_ms bigint not null,
  epoch bigint not null,
  worker text not null,
  partition bigint not null,
  event_id text not null default '',
  created_at timestamptz not null default now(),
  claimed_at timestamptz,
  dispatched_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  primary key (tenant, id)
);

create table work_members (
  shard int not null,
  tenant text not null,
  item text not null,
  handle bytea not null,
  position bigint not null,
  fhe_operation bigint not null,
  dependencies bytea[] not null,
  is_scalar boolean not null,
  fhe_type bigint not null,
  is_output boolean not null,
  primary key (tenant, item, handle)
);
create index work_members_item on work_members (tenant, item);

create table work_waits (
  shard int not null,
  tenant text not null,
  item text not null,
  token bytea not null,
  primary key (tenant, item, token)
);
create index work_waits_token on work_waits (tenant, token);
create index work_waits_item on work_waits (tenant, item);

create table work_failures (
  shard int not null,
  tenant text not null,
  token bytea not null,
  cause text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, token)
);

create table early_results (
  shard int not null,
  tenant text not null,
  item text not null,
  done boolean not null,
  failure text not null,
  verified boolean,
  handles bytea[] not null,
  reason text not null,
  primary key (tenant, item)
);

create table tenant_keys (
  shard int not null,
  tenant text not null,
  kind text not null,
  key_id bytea not null,
  digest bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, kind, key_id)
);

create table divergences (
  shard int not null,
  tenant text not null,
  kind text not null,
  subject bytea not null,
  other bytea not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, kind, subject, other)
);

create table alarms (
  shard int not null,
  tenant text not null,
  kind text not null,
  subject bytea not null,
  detail text not null,
  seen_at timestamptz not null default now(),
  primary key (tenant, kind, subject)
);

create table fact_parts (
  shard int not null,
  tenant text not null,
  sha256 bytea not null,
  part bigint not null,
  parts bigint not null,
  body bytea not null,
  primary key (tenant, sha256, part)
);
create index fact_parts_sha256 on fact_parts (tenant, sha256);

-- The queue: what may be claimed, and what is in flight.
create index work_items_ready on work_items (shard, work_class, tenant, contract, priority desc, created_at, id)
  where state = 'ready';
create index work_items_in_flight on work_items (work_class, shard) where state in ('claimed', 'dispatched');
create index work_items_subject on work_items (tenant, subject);
create index computations_transaction on computations (transaction_id);

-- Who writes a shard. A claim raises the epoch and waits for an open transaction of the owner before.
create table shard_owner (
  shard int primary key,
  epoch bigint not null,
  owner text not null,
  claimed_at timestamptz not null default now()
);

-- The next record to apply; the epoch that guards it is in shard_owner.
create table consumer_offset (
  topic text not null,
  part int not null,
  topic_id text not null,
  next_off bigint not null,
  primary key (topic, part)
);

-- A tenant with a record that failed five times: later ones are kept, not applied.
create table halted_tenants (
  tenant text primary key,
  shard int not null,
  topic text not null,
  part int not null,
  off bigint not null,
  error text not null,
  halted_at timestamptz not null default now()
);

create table halted_records (
  seq bigint generated always as identity primary key,
  shard int not null,
  tenant text not null,
  topic text not null,
  part int not null,
  off bigint not null,
  key bytea,
  value bytea,
  header_names text[] not null,
  header_values bytea[] not null,
  timestamp_ms bigint not null,
  stored_at timestamptz not null default now(),
  unique (topic, part, off)
);
create index halted_records_tenant on halted_records (tenant, seq);

-- Commands of operators that were carried out: control.v1 is read again from its start by every process.
create table control_requests (
  request text primary key,
  tenant text not null,
  applied_at timestamptz not null default now()
);

-- Records that do not decode, as they were; class `publish` copies them to dlq.v1.
create table dead_letters (
  id bytea primary key,
  shard int not null,
  tenant text not null,
  topic text not null,
  part int not null,
  off bigint not null,
  key bytea,
  value bytea,
  header_names text[] not null,
  header_values bytea[] not null,
  error_class text not null,
  error text not null,
  parked_at timestamptz not null default now()
);

-- Squashing as the existing coprocessors name it: the bootstrap that makes the 128-bit ciphertext of a handle.
create view pbs_computations as
select i.tenant, i.subject as handle, i.state = 'done' as is_completed, i.state = 'failed' as is_error,
  nullif(i.cause, '') as error_message, i.attempt, i.created_at, i.finished_at as completed_at
from work_items i
where i.work_class = 'sns';

-- One line per operation with the life of its handle.
create view operations as
select c.tenant, c.output_handle as handle, c.fhe_operation, c.fhe_type, c.dependencies, c.is_scalar, c.caller,
  c.transaction_id, c.block_hash, b.number as block_number, b.status as block_status, h.reasons,
  i.state as compute_state, nullif(i.cause, '') as error_message, h.ct64_digest <> '' as is_completed,
  h.ct128_digest <> '' as is_squashed, c.seen_at, i.created_at, i.claimed_at, i.dispatched_at, i.started_at,
  i.finished_at
from computations c
left join blocks b on b.tenant = c.tenant and b.hash = c.block_hash
left join handles h on h.tenant = c.tenant and h.handle = c.output_handle
left join work_items i on i.tenant = c.tenant and i.id = h.compute_item;
