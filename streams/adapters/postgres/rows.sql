-- Rows of domain/rows.py: one query per table and look-up. Written by tools/rows_sql.py, not by hand.
-- Arrays of byte strings travel as text, because unnest would flatten an array of arrays.
-- A value that all rows have travels once: unnest fills the shorter array with nulls, coalesce those with it.
-- What is found is a record, so that look-ups in several tables can be one query;
-- `arrays`, always null, tells the driver of a type that the record may have in it.
-- Keys are looked up one by one (`offset 0` keeps the planner from joining otherwise): a plan is kept while
-- its tables grow, and one made when they were small would read them whole until they are analysed again.

-- name: add_tenants
-- Insert new rows of tenants.
insert into tenants as o (shard, tenant, chain_id, tip_hash, tip_number, blocks_seen, key_id, engine, crs_id, gateway_number, gateway_hash, gateway_s, coprocessors, anchor_number)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(chain_id, ($3::bigint[])[1]), coalesce(tip_hash, ($4::bytea[])[1]), coalesce(tip_number, ($5::bigint[])[1]), coalesce(blocks_seen, ($6::bigint[])[1]), coalesce(key_id, ($7::bytea[])[1]), coalesce(engine, ($8::text[])[1]), coalesce(crs_id, ($9::bytea[])[1]), coalesce(gateway_number, ($10::bigint[])[1]), coalesce(gateway_hash, ($11::bytea[])[1]), coalesce(gateway_s, ($12::bigint[])[1]), coalesce(coprocessors, ($13::text[])[1])::bytea[], coalesce(anchor_number, ($14::bigint[])[1])
from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[], $9::bytea[], $10::bigint[], $11::bytea[], $12::bigint[], $13::text[], $14::bigint[]) as t(tenant, chain_id, tip_hash, tip_number, blocks_seen, key_id, engine, crs_id, gateway_number, gateway_hash, gateway_s, coprocessors, anchor_number);

-- name: put_tenants
-- Insert or replace rows of tenants.
insert into tenants as o (shard, tenant, chain_id, tip_hash, tip_number, blocks_seen, key_id, engine, crs_id, gateway_number, gateway_hash, gateway_s, coprocessors, anchor_number)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(chain_id, ($3::bigint[])[1]), coalesce(tip_hash, ($4::bytea[])[1]), coalesce(tip_number, ($5::bigint[])[1]), coalesce(blocks_seen, ($6::bigint[])[1]), coalesce(key_id, ($7::bytea[])[1]), coalesce(engine, ($8::text[])[1]), coalesce(crs_id, ($9::bytea[])[1]), coalesce(gateway_number, ($10::bigint[])[1]), coalesce(gateway_hash, ($11::bytea[])[1]), coalesce(gateway_s, ($12::bigint[])[1]), coalesce(coprocessors, ($13::text[])[1])::bytea[], coalesce(anchor_number, ($14::bigint[])[1])
from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[], $9::bytea[], $10::bigint[], $11::bytea[], $12::bigint[], $13::text[], $14::bigint[]) as t(tenant, chain_id, tip_hash, tip_number, blocks_seen, key_id, engine, crs_id, gateway_number, gateway_hash, gateway_s, coprocessors, anchor_number)
on conflict (tenant) do update set
  chain_id = excluded.chain_id, tip_hash = excluded.tip_hash, tip_number = excluded.tip_number, blocks_seen = excluded.blocks_seen, key_id = excluded.key_id, engine = excluded.engine, crs_id = excluded.crs_id, gateway_number = excluded.gateway_number, gateway_hash = excluded.gateway_hash, gateway_s = excluded.gateway_s, coprocessors = excluded.coprocessors, anchor_number = excluded.anchor_number;

-- name: delete_tenants
-- Remove rows of tenants by primary key.
delete from tenants as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[]) as k(tenant)
  cross join lateral (select o.ctid from tenants as o where o.tenant = k.tenant offset 0) as f
));

-- name: load_tenants_by_tenant
-- Rows of tenants; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.chain_id, o.tip_hash, o.tip_number, o.blocks_seen, o.key_id, o.engine, o.crs_id, o.gateway_number, o.gateway_hash, o.gateway_s, o.coprocessors, o.anchor_number) as found, null::bytea[] as arrays
from unnest($1::text[]) with ordinality as k(tenant, at)
cross join lateral (select * from tenants as o where o.tenant = k.tenant offset 0) as o;

-- name: add_blocks
-- Insert new rows of blocks.
insert into blocks as o (shard, tenant, hash, parent_hash, number, timestamp, status, sequence)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(hash, ($3::bytea[])[1]), coalesce(parent_hash, ($4::bytea[])[1]), coalesce(number, ($5::bigint[])[1]), coalesce(timestamp, ($6::bigint[])[1]), coalesce(status, ($7::text[])[1]), coalesce(sequence, ($8::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[]) as t(tenant, hash, parent_hash, number, timestamp, status, sequence);

-- name: put_blocks
-- Insert or replace rows of blocks.
insert into blocks as o (shard, tenant, hash, parent_hash, number, timestamp, status, sequence)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(hash, ($3::bytea[])[1]), coalesce(parent_hash, ($4::bytea[])[1]), coalesce(number, ($5::bigint[])[1]), coalesce(timestamp, ($6::bigint[])[1]), coalesce(status, ($7::text[])[1]), coalesce(sequence, ($8::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[]) as t(tenant, hash, parent_hash, number, timestamp, status, sequence)
on conflict (tenant, hash) do update set
  parent_hash = excluded.parent_hash, number = excluded.number, timestamp = excluded.timestamp, status = excluded.status, sequence = excluded.sequence;

-- name: delete_blocks
-- Remove rows of blocks by primary key.
delete from blocks as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, hash)
  cross join lateral (select o.ctid from blocks as o where o.tenant = k.tenant and o.hash = k.hash offset 0) as f
));

-- name: load_blocks_by_tenant_hash
-- Rows of blocks; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.hash, o.parent_hash, o.number, o.timestamp, o.status, o.sequence) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, hash, at)
cross join lateral (select * from blocks as o where o.tenant = k.tenant and o.hash = k.hash offset 0) as o;

-- name: load_blocks_by_tenant_parent_hash
-- Rows of blocks; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.hash, o.parent_hash, o.number, o.timestamp, o.status, o.sequence) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, parent_hash, at)
cross join lateral (select * from blocks as o where o.tenant = k.tenant and o.parent_hash = k.parent_hash offset 0) as o;

-- name: add_computations
-- Insert new rows of computations.
insert into computations as o (shard, tenant, output_handle, transaction_id, block_hash, log_index, fhe_operation, dependencies, is_scalar, fhe_type, caller)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(output_handle, ($3::bytea[])[1]), coalesce(transaction_id, ($4::bytea[])[1]), coalesce(block_hash, ($5::bytea[])[1]), coalesce(log_index, ($6::bigint[])[1]), coalesce(fhe_operation, ($7::bigint[])[1]), coalesce(dependencies, ($8::text[])[1])::bytea[], coalesce(is_scalar, ($9::boolean[])[1]), coalesce(fhe_type, ($10::bigint[])[1]), coalesce(caller, ($11::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::boolean[], $10::bigint[], $11::bytea[]) as t(tenant, output_handle, transaction_id, block_hash, log_index, fhe_operation, dependencies, is_scalar, fhe_type, caller);

-- name: put_computations
-- Insert or replace rows of computations.
insert into computations as o (shard, tenant, output_handle, transaction_id, block_hash, log_index, fhe_operation, dependencies, is_scalar, fhe_type, caller)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(output_handle, ($3::bytea[])[1]), coalesce(transaction_id, ($4::bytea[])[1]), coalesce(block_hash, ($5::bytea[])[1]), coalesce(log_index, ($6::bigint[])[1]), coalesce(fhe_operation, ($7::bigint[])[1]), coalesce(dependencies, ($8::text[])[1])::bytea[], coalesce(is_scalar, ($9::boolean[])[1]), coalesce(fhe_type, ($10::bigint[])[1]), coalesce(caller, ($11::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], $8::text[], $9::boolean[], $10::bigint[], $11::bytea[]) as t(tenant, output_handle, transaction_id, block_hash, log_index, fhe_operation, dependencies, is_scalar, fhe_type, caller)
on conflict (tenant, output_handle, transaction_id, block_hash) do update set
  log_index = excluded.log_index, fhe_operation = excluded.fhe_operation, dependencies = excluded.dependencies, is_scalar = excluded.is_scalar, fhe_type = excluded.fhe_type, caller = excluded.caller;

-- name: delete_computations
-- Remove rows of computations by primary key.
delete from computations as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) as k(tenant, output_handle, transaction_id, block_hash)
  cross join lateral (select o.ctid from computations as o where o.tenant = k.tenant and o.output_handle = k.output_handle and o.transaction_id = k.transaction_id and o.block_hash = k.block_hash offset 0) as f
));

-- name: load_computations_by_tenant_output_handle_transaction_id_block_hash
-- Rows of computations; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.output_handle, o.transaction_id, o.block_hash, o.log_index, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.caller) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) with ordinality as k(tenant, output_handle, transaction_id, block_hash, at)
cross join lateral (select * from computations as o where o.tenant = k.tenant and o.output_handle = k.output_handle and o.transaction_id = k.transaction_id and o.block_hash = k.block_hash offset 0) as o;

-- name: load_computations_by_tenant_output_handle
-- Rows of computations; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.output_handle, o.transaction_id, o.block_hash, o.log_index, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.caller) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, output_handle, at)
cross join lateral (select * from computations as o where o.tenant = k.tenant and o.output_handle = k.output_handle offset 0) as o;

-- name: load_computations_by_tenant_transaction_id_block_hash
-- Rows of computations; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.output_handle, o.transaction_id, o.block_hash, o.log_index, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.caller) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bytea[]) with ordinality as k(tenant, transaction_id, block_hash, at)
cross join lateral (select * from computations as o where o.tenant = k.tenant and o.transaction_id = k.transaction_id and o.block_hash = k.block_hash offset 0) as o;

-- name: load_computations_by_tenant_block_hash
-- Rows of computations; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.output_handle, o.transaction_id, o.block_hash, o.log_index, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.caller) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, block_hash, at)
cross join lateral (select * from computations as o where o.tenant = k.tenant and o.block_hash = k.block_hash offset 0) as o;

-- name: add_allowed_handles
-- Insert new rows of allowed_handles.
insert into allowed_handles as o (shard, tenant, handle, account_address, block_hash, event_type, transaction_id)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(account_address, ($4::bytea[])[1]), coalesce(block_hash, ($5::bytea[])[1]), coalesce(event_type, ($6::bigint[])[1]), coalesce(transaction_id, ($7::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[]) as t(tenant, handle, account_address, block_hash, event_type, transaction_id);

-- name: put_allowed_handles
-- Insert or replace rows of allowed_handles.
insert into allowed_handles as o (shard, tenant, handle, account_address, block_hash, event_type, transaction_id)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(account_address, ($4::bytea[])[1]), coalesce(block_hash, ($5::bytea[])[1]), coalesce(event_type, ($6::bigint[])[1]), coalesce(transaction_id, ($7::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bytea[]) as t(tenant, handle, account_address, block_hash, event_type, transaction_id)
on conflict (tenant, handle, account_address, block_hash) do update set
  event_type = excluded.event_type, transaction_id = excluded.transaction_id;

-- name: delete_allowed_handles
-- Remove rows of allowed_handles by primary key.
delete from allowed_handles as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) as k(tenant, handle, account_address, block_hash)
  cross join lateral (select o.ctid from allowed_handles as o where o.tenant = k.tenant and o.handle = k.handle and o.account_address = k.account_address and o.block_hash = k.block_hash offset 0) as f
));

-- name: load_allowed_handles_by_tenant_handle_account_address_block_hash
-- Rows of allowed_handles; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.account_address, o.block_hash, o.event_type, o.transaction_id) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[]) with ordinality as k(tenant, handle, account_address, block_hash, at)
cross join lateral (select * from allowed_handles as o where o.tenant = k.tenant and o.handle = k.handle and o.account_address = k.account_address and o.block_hash = k.block_hash offset 0) as o;

-- name: load_allowed_handles_by_tenant_block_hash
-- Rows of allowed_handles; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.account_address, o.block_hash, o.event_type, o.transaction_id) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, block_hash, at)
cross join lateral (select * from allowed_handles as o where o.tenant = k.tenant and o.block_hash = k.block_hash offset 0) as o;

-- name: load_allowed_handles_by_tenant_handle
-- Rows of allowed_handles; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.account_address, o.block_hash, o.event_type, o.transaction_id) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from allowed_handles as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: add_delegate_user_decrypt
-- Insert new rows of delegate_user_decrypt.
insert into delegate_user_decrypt as o (shard, tenant, block_hash, log_index, transaction_id, delegator, delegate, contract_address, delegation_counter, old_expiration_date, new_expiration_date)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(block_hash, ($3::bytea[])[1]), coalesce(log_index, ($4::bigint[])[1]), coalesce(transaction_id, ($5::bytea[])[1]), coalesce(delegator, ($6::bytea[])[1]), coalesce(delegate, ($7::bytea[])[1]), coalesce(contract_address, ($8::bytea[])[1]), coalesce(delegation_counter, ($9::numeric[])[1]), coalesce(old_expiration_date, ($10::numeric[])[1]), coalesce(new_expiration_date, ($11::numeric[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::numeric[], $10::numeric[], $11::numeric[]) as t(tenant, block_hash, log_index, transaction_id, delegator, delegate, contract_address, delegation_counter, old_expiration_date, new_expiration_date);

-- name: put_delegate_user_decrypt
-- Insert or replace rows of delegate_user_decrypt.
insert into delegate_user_decrypt as o (shard, tenant, block_hash, log_index, transaction_id, delegator, delegate, contract_address, delegation_counter, old_expiration_date, new_expiration_date)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(block_hash, ($3::bytea[])[1]), coalesce(log_index, ($4::bigint[])[1]), coalesce(transaction_id, ($5::bytea[])[1]), coalesce(delegator, ($6::bytea[])[1]), coalesce(delegate, ($7::bytea[])[1]), coalesce(contract_address, ($8::bytea[])[1]), coalesce(delegation_counter, ($9::numeric[])[1]), coalesce(old_expiration_date, ($10::numeric[])[1]), coalesce(new_expiration_date, ($11::numeric[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[], $9::numeric[], $10::numeric[], $11::numeric[]) as t(tenant, block_hash, log_index, transaction_id, delegator, delegate, contract_address, delegation_counter, old_expiration_date, new_expiration_date)
on conflict (tenant, block_hash, log_index) do update set
  transaction_id = excluded.transaction_id, delegator = excluded.delegator, delegate = excluded.delegate, contract_address = excluded.contract_address, delegation_counter = excluded.delegation_counter, old_expiration_date = excluded.old_expiration_date, new_expiration_date = excluded.new_expiration_date;

-- name: delete_delegate_user_decrypt
-- Remove rows of delegate_user_decrypt by primary key.
delete from delegate_user_decrypt as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bigint[]) as k(tenant, block_hash, log_index)
  cross join lateral (select o.ctid from delegate_user_decrypt as o where o.tenant = k.tenant and o.block_hash = k.block_hash and o.log_index = k.log_index offset 0) as f
));

-- name: load_delegate_user_decrypt_by_tenant_block_hash_log_index
-- Rows of delegate_user_decrypt; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.block_hash, o.log_index, o.transaction_id, o.delegator, o.delegate, o.contract_address, o.delegation_counter, o.old_expiration_date, o.new_expiration_date) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bigint[]) with ordinality as k(tenant, block_hash, log_index, at)
cross join lateral (select * from delegate_user_decrypt as o where o.tenant = k.tenant and o.block_hash = k.block_hash and o.log_index = k.log_index offset 0) as o;

-- name: add_bridge_events
-- Insert new rows of bridge_events.
insert into bridge_events as o (shard, tenant, block_hash, log_index, transaction_id, kind, dst_chain_id, src_handle, dst_handle, dapp, guid, plaintext)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(block_hash, ($3::bytea[])[1]), coalesce(log_index, ($4::bigint[])[1]), coalesce(transaction_id, ($5::bytea[])[1]), coalesce(kind, ($6::text[])[1]), coalesce(dst_chain_id, ($7::numeric[])[1]), coalesce(src_handle, ($8::bytea[])[1]), coalesce(dst_handle, ($9::bytea[])[1]), coalesce(dapp, ($10::bytea[])[1]), coalesce(guid, ($11::bytea[])[1]), coalesce(plaintext, ($12::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::text[], $7::numeric[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[]) as t(tenant, block_hash, log_index, transaction_id, kind, dst_chain_id, src_handle, dst_handle, dapp, guid, plaintext);

-- name: put_bridge_events
-- Insert or replace rows of bridge_events.
insert into bridge_events as o (shard, tenant, block_hash, log_index, transaction_id, kind, dst_chain_id, src_handle, dst_handle, dapp, guid, plaintext)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(block_hash, ($3::bytea[])[1]), coalesce(log_index, ($4::bigint[])[1]), coalesce(transaction_id, ($5::bytea[])[1]), coalesce(kind, ($6::text[])[1]), coalesce(dst_chain_id, ($7::numeric[])[1]), coalesce(src_handle, ($8::bytea[])[1]), coalesce(dst_handle, ($9::bytea[])[1]), coalesce(dapp, ($10::bytea[])[1]), coalesce(guid, ($11::bytea[])[1]), coalesce(plaintext, ($12::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::text[], $7::numeric[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[]) as t(tenant, block_hash, log_index, transaction_id, kind, dst_chain_id, src_handle, dst_handle, dapp, guid, plaintext)
on conflict (tenant, block_hash, log_index) do update set
  transaction_id = excluded.transaction_id, kind = excluded.kind, dst_chain_id = excluded.dst_chain_id, src_handle = excluded.src_handle, dst_handle = excluded.dst_handle, dapp = excluded.dapp, guid = excluded.guid, plaintext = excluded.plaintext;

-- name: delete_bridge_events
-- Remove rows of bridge_events by primary key.
delete from bridge_events as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bigint[]) as k(tenant, block_hash, log_index)
  cross join lateral (select o.ctid from bridge_events as o where o.tenant = k.tenant and o.block_hash = k.block_hash and o.log_index = k.log_index offset 0) as f
));

-- name: load_bridge_events_by_tenant_block_hash_log_index
-- Rows of bridge_events; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.block_hash, o.log_index, o.transaction_id, o.kind, o.dst_chain_id, o.src_handle, o.dst_handle, o.dapp, o.guid, o.plaintext) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bigint[]) with ordinality as k(tenant, block_hash, log_index, at)
cross join lateral (select * from bridge_events as o where o.tenant = k.tenant and o.block_hash = k.block_hash and o.log_index = k.log_index offset 0) as o;

-- name: add_handles
-- Insert new rows of handles.
insert into handles as o (shard, tenant, handle, fhe_type, operation_digest, reasons, compute_item, followed, key_id, ct64_digest, ct128_digest, is_input, is_awaited)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(fhe_type, ($4::bigint[])[1]), coalesce(operation_digest, ($5::bytea[])[1]), coalesce(reasons, ($6::bigint[])[1]), coalesce(compute_item, ($7::text[])[1]), coalesce(followed, ($8::boolean[])[1]), coalesce(key_id, ($9::bytea[])[1]), coalesce(ct64_digest, ($10::bytea[])[1]), coalesce(ct128_digest, ($11::bytea[])[1]), coalesce(is_input, ($12::boolean[])[1]), coalesce(is_awaited, ($13::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[], $8::boolean[], $9::bytea[], $10::bytea[], $11::bytea[], $12::boolean[], $13::boolean[]) as t(tenant, handle, fhe_type, operation_digest, reasons, compute_item, followed, key_id, ct64_digest, ct128_digest, is_input, is_awaited);

-- name: put_handles
-- Insert or replace rows of handles.
insert into handles as o (shard, tenant, handle, fhe_type, operation_digest, reasons, compute_item, followed, key_id, ct64_digest, ct128_digest, is_input, is_awaited)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(fhe_type, ($4::bigint[])[1]), coalesce(operation_digest, ($5::bytea[])[1]), coalesce(reasons, ($6::bigint[])[1]), coalesce(compute_item, ($7::text[])[1]), coalesce(followed, ($8::boolean[])[1]), coalesce(key_id, ($9::bytea[])[1]), coalesce(ct64_digest, ($10::bytea[])[1]), coalesce(ct128_digest, ($11::bytea[])[1]), coalesce(is_input, ($12::boolean[])[1]), coalesce(is_awaited, ($13::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[], $8::boolean[], $9::bytea[], $10::bytea[], $11::bytea[], $12::boolean[], $13::boolean[]) as t(tenant, handle, fhe_type, operation_digest, reasons, compute_item, followed, key_id, ct64_digest, ct128_digest, is_input, is_awaited)
on conflict (tenant, handle) do update set
  fhe_type = excluded.fhe_type, operation_digest = excluded.operation_digest, reasons = excluded.reasons, compute_item = excluded.compute_item, followed = excluded.followed, key_id = excluded.key_id, ct64_digest = excluded.ct64_digest, ct128_digest = excluded.ct128_digest, is_input = excluded.is_input, is_awaited = excluded.is_awaited;

-- name: delete_handles
-- Remove rows of handles by primary key.
delete from handles as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from handles as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_handles_by_tenant_handle
-- Rows of handles; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.fhe_type, o.operation_digest, o.reasons, o.compute_item, o.followed, o.key_id, o.ct64_digest, o.ct128_digest, o.is_input, o.is_awaited) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from handles as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: add_ciphertexts
-- Insert new rows of ciphertexts.
insert into ciphertexts as o (shard, tenant, handle, fhe_type, key_id, ciphertext, is_input)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(fhe_type, ($4::bigint[])[1]), coalesce(key_id, ($5::bytea[])[1]), coalesce(ciphertext, ($6::bytea[])[1]), coalesce(is_input, ($7::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[], $7::boolean[]) as t(tenant, handle, fhe_type, key_id, ciphertext, is_input);

-- name: put_ciphertexts
-- Insert or replace rows of ciphertexts.
insert into ciphertexts as o (shard, tenant, handle, fhe_type, key_id, ciphertext, is_input)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(fhe_type, ($4::bigint[])[1]), coalesce(key_id, ($5::bytea[])[1]), coalesce(ciphertext, ($6::bytea[])[1]), coalesce(is_input, ($7::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[], $7::boolean[]) as t(tenant, handle, fhe_type, key_id, ciphertext, is_input)
on conflict (tenant, handle) do update set
  fhe_type = excluded.fhe_type, key_id = excluded.key_id, ciphertext = excluded.ciphertext, is_input = excluded.is_input;

-- name: delete_ciphertexts
-- Remove rows of ciphertexts by primary key.
delete from ciphertexts as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from ciphertexts as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_ciphertexts_by_tenant_handle
-- Rows of ciphertexts; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.fhe_type, o.key_id, o.ciphertext, o.is_input) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from ciphertexts as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: add_ciphertext_digest
-- Insert new rows of ciphertext_digest.
insert into ciphertext_digest as o (shard, tenant, handle, key_id, ciphertext, ciphertext128, ciphertext128_format, signer, attestation, txn_is_sent)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1]), coalesce(ciphertext128_format, ($7::bigint[])[1]), coalesce(signer, ($8::bytea[])[1]), coalesce(attestation, ($9::bytea[])[1]), coalesce(txn_is_sent, ($10::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::bytea[], $9::bytea[], $10::boolean[]) as t(tenant, handle, key_id, ciphertext, ciphertext128, ciphertext128_format, signer, attestation, txn_is_sent);

-- name: put_ciphertext_digest
-- Insert or replace rows of ciphertext_digest.
insert into ciphertext_digest as o (shard, tenant, handle, key_id, ciphertext, ciphertext128, ciphertext128_format, signer, attestation, txn_is_sent)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1]), coalesce(ciphertext128_format, ($7::bigint[])[1]), coalesce(signer, ($8::bytea[])[1]), coalesce(attestation, ($9::bytea[])[1]), coalesce(txn_is_sent, ($10::boolean[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::bytea[], $9::bytea[], $10::boolean[]) as t(tenant, handle, key_id, ciphertext, ciphertext128, ciphertext128_format, signer, attestation, txn_is_sent)
on conflict (tenant, handle) do update set
  key_id = excluded.key_id, ciphertext = excluded.ciphertext, ciphertext128 = excluded.ciphertext128, ciphertext128_format = excluded.ciphertext128_format, signer = excluded.signer, attestation = excluded.attestation, txn_is_sent = excluded.txn_is_sent;

-- name: delete_ciphertext_digest
-- Remove rows of ciphertext_digest by primary key.
delete from ciphertext_digest as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from ciphertext_digest as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_ciphertext_digest_by_tenant_handle
-- Rows of ciphertext_digest; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.key_id, o.ciphertext, o.ciphertext128, o.ciphertext128_format, o.signer, o.attestation, o.txn_is_sent) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from ciphertext_digest as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: add_gateway_commits
-- Insert new rows of gateway_commits.
insert into gateway_commits as o (shard, tenant, handle, key_id, ciphertext, ciphertext128)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) as t(tenant, handle, key_id, ciphertext, ciphertext128);

-- name: put_gateway_commits
-- Insert or replace rows of gateway_commits.
insert into gateway_commits as o (shard, tenant, handle, key_id, ciphertext, ciphertext128)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[]) as t(tenant, handle, key_id, ciphertext, ciphertext128)
on conflict (tenant, handle) do update set
  key_id = excluded.key_id, ciphertext = excluded.ciphertext, ciphertext128 = excluded.ciphertext128;

-- name: delete_gateway_commits
-- Remove rows of gateway_commits by primary key.
delete from gateway_commits as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from gateway_commits as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_gateway_commits_by_tenant_handle
-- Rows of gateway_commits; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.key_id, o.ciphertext, o.ciphertext128) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from gateway_commits as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: add_gateway_materials
-- Insert new rows of gateway_materials.
insert into gateway_materials as o (shard, tenant, handle, tx_sender, key_id, ciphertext, ciphertext128, block_number, range_end)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(tx_sender, ($4::bytea[])[1]), coalesce(key_id, ($5::bytea[])[1]), coalesce(ciphertext, ($6::bytea[])[1]), coalesce(ciphertext128, ($7::bytea[])[1]), coalesce(block_number, ($8::bigint[])[1]), coalesce(range_end, ($9::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[]) as t(tenant, handle, tx_sender, key_id, ciphertext, ciphertext128, block_number, range_end);

-- name: put_gateway_materials
-- Insert or replace rows of gateway_materials.
insert into gateway_materials as o (shard, tenant, handle, tx_sender, key_id, ciphertext, ciphertext128, block_number, range_end)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(tx_sender, ($4::bytea[])[1]), coalesce(key_id, ($5::bytea[])[1]), coalesce(ciphertext, ($6::bytea[])[1]), coalesce(ciphertext128, ($7::bytea[])[1]), coalesce(block_number, ($8::bigint[])[1]), coalesce(range_end, ($9::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[], $9::bigint[]) as t(tenant, handle, tx_sender, key_id, ciphertext, ciphertext128, block_number, range_end)
on conflict (tenant, handle, tx_sender) do update set
  key_id = excluded.key_id, ciphertext = excluded.ciphertext, ciphertext128 = excluded.ciphertext128, block_number = excluded.block_number, range_end = excluded.range_end;

-- name: delete_gateway_materials
-- Remove rows of gateway_materials by primary key.
delete from gateway_materials as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bytea[]) as k(tenant, handle, tx_sender)
  cross join lateral (select o.ctid from gateway_materials as o where o.tenant = k.tenant and o.handle = k.handle and o.tx_sender = k.tx_sender offset 0) as f
));

-- name: load_gateway_materials_by_tenant_handle_tx_sender
-- Rows of gateway_materials; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.tx_sender, o.key_id, o.ciphertext, o.ciphertext128, o.block_number, o.range_end) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bytea[]) with ordinality as k(tenant, handle, tx_sender, at)
cross join lateral (select * from gateway_materials as o where o.tenant = k.tenant and o.handle = k.handle and o.tx_sender = k.tx_sender offset 0) as o;

-- name: load_gateway_materials_by_tenant_handle
-- Rows of gateway_materials; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.tx_sender, o.key_id, o.ciphertext, o.ciphertext128, o.block_number, o.range_end) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from gateway_materials as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: load_gateway_materials_by_tenant_range_end
-- Rows of gateway_materials; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.tx_sender, o.key_id, o.ciphertext, o.ciphertext128, o.block_number, o.range_end) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, range_end, at)
cross join lateral (select * from gateway_materials as o where o.tenant = k.tenant and o.range_end = k.range_end offset 0) as o;

-- name: add_gateway_consensus
-- Insert new rows of gateway_consensus.
insert into gateway_consensus as o (shard, tenant, handle, key_id, ciphertext, ciphertext128, block_number, range_end)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1]), coalesce(block_number, ($7::bigint[])[1]), coalesce(range_end, ($8::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::bigint[]) as t(tenant, handle, key_id, ciphertext, ciphertext128, block_number, range_end);

-- name: put_gateway_consensus
-- Insert or replace rows of gateway_consensus.
insert into gateway_consensus as o (shard, tenant, handle, key_id, ciphertext, ciphertext128, block_number, range_end)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(ciphertext, ($5::bytea[])[1]), coalesce(ciphertext128, ($6::bytea[])[1]), coalesce(block_number, ($7::bigint[])[1]), coalesce(range_end, ($8::bigint[])[1])
from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bigint[], $8::bigint[]) as t(tenant, handle, key_id, ciphertext, ciphertext128, block_number, range_end)
on conflict (tenant, handle) do update set
  key_id = excluded.key_id, ciphertext = excluded.ciphertext, ciphertext128 = excluded.ciphertext128, block_number = excluded.block_number, range_end = excluded.range_end;

-- name: delete_gateway_consensus
-- Remove rows of gateway_consensus by primary key.
delete from gateway_consensus as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from gateway_consensus as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_gateway_consensus_by_tenant_handle
-- Rows of gateway_consensus; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.key_id, o.ciphertext, o.ciphertext128, o.block_number, o.range_end) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from gateway_consensus as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: load_gateway_consensus_by_tenant_range_end
-- Rows of gateway_consensus; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.key_id, o.ciphertext, o.ciphertext128, o.block_number, o.range_end) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, range_end, at)
cross join lateral (select * from gateway_consensus as o where o.tenant = k.tenant and o.range_end = k.range_end offset 0) as o;

-- name: add_drift
-- Insert new rows of drift.
insert into drift as o (shard, tenant, handle, state, opened_block, agreed_block, completed_block, due, is_waiting, is_late, is_other, differing, missing)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(state, ($4::text[])[1]), coalesce(opened_block, ($5::bigint[])[1]), coalesce(agreed_block, ($6::bigint[])[1]), coalesce(completed_block, ($7::bigint[])[1]), coalesce(due, ($8::bigint[])[1]), coalesce(is_waiting, ($9::boolean[])[1]), coalesce(is_late, ($10::boolean[])[1]), coalesce(is_other, ($11::boolean[])[1]), coalesce(differing, ($12::text[])[1])::bytea[], coalesce(missing, ($13::text[])[1])::bytea[]
from unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[], $10::boolean[], $11::boolean[], $12::text[], $13::text[]) as t(tenant, handle, state, opened_block, agreed_block, completed_block, due, is_waiting, is_late, is_other, differing, missing);

-- name: put_drift
-- Insert or replace rows of drift.
insert into drift as o (shard, tenant, handle, state, opened_block, agreed_block, completed_block, due, is_waiting, is_late, is_other, differing, missing)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(handle, ($3::bytea[])[1]), coalesce(state, ($4::text[])[1]), coalesce(opened_block, ($5::bigint[])[1]), coalesce(agreed_block, ($6::bigint[])[1]), coalesce(completed_block, ($7::bigint[])[1]), coalesce(due, ($8::bigint[])[1]), coalesce(is_waiting, ($9::boolean[])[1]), coalesce(is_late, ($10::boolean[])[1]), coalesce(is_other, ($11::boolean[])[1]), coalesce(differing, ($12::text[])[1])::bytea[], coalesce(missing, ($13::text[])[1])::bytea[]
from unnest($2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[], $10::boolean[], $11::boolean[], $12::text[], $13::text[]) as t(tenant, handle, state, opened_block, agreed_block, completed_block, due, is_waiting, is_late, is_other, differing, missing)
on conflict (tenant, handle) do update set
  state = excluded.state, opened_block = excluded.opened_block, agreed_block = excluded.agreed_block, completed_block = excluded.completed_block, due = excluded.due, is_waiting = excluded.is_waiting, is_late = excluded.is_late, is_other = excluded.is_other, differing = excluded.differing, missing = excluded.missing;

-- name: delete_drift
-- Remove rows of drift by primary key.
delete from drift as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, handle)
  cross join lateral (select o.ctid from drift as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as f
));

-- name: load_drift_by_tenant_handle
-- Rows of drift; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.state, o.opened_block, o.agreed_block, o.completed_block, o.due, o.is_waiting, o.is_late, o.is_other, o.differing, o.missing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, handle, at)
cross join lateral (select * from drift as o where o.tenant = k.tenant and o.handle = k.handle offset 0) as o;

-- name: load_drift_by_tenant_due
-- Rows of drift; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.state, o.opened_block, o.agreed_block, o.completed_block, o.due, o.is_waiting, o.is_late, o.is_other, o.differing, o.missing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, due, at)
cross join lateral (select * from drift as o where o.tenant = k.tenant and o.due = k.due offset 0) as o;

-- name: load_drift_by_tenant_is_waiting
-- Rows of drift; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.handle, o.state, o.opened_block, o.agreed_block, o.completed_block, o.due, o.is_waiting, o.is_late, o.is_other, o.differing, o.missing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::boolean[]) with ordinality as k(tenant, is_waiting, at)
cross join lateral (select * from drift as o where o.tenant = k.tenant and o.is_waiting = k.is_waiting offset 0) as o;

-- name: add_verify_proofs
-- Insert new rows of verify_proofs.
insert into verify_proofs as o (shard, tenant, zk_proof_id, range_end, block_number, transaction_id, chain_id, contract_address, user_address, input, extra_data, state, crs_id, verified, handles, last_error, accepted, agreed, answer_end, standing)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(zk_proof_id, ($3::bigint[])[1]), coalesce(range_end, ($4::bigint[])[1]), coalesce(block_number, ($5::bigint[])[1]), coalesce(transaction_id, ($6::bytea[])[1]), coalesce(chain_id, ($7::bigint[])[1]), coalesce(contract_address, ($8::bytea[])[1]), coalesce(user_address, ($9::bytea[])[1]), coalesce(input, ($10::bytea[])[1]), coalesce(extra_data, ($11::bytea[])[1]), coalesce(state, ($12::text[])[1]), coalesce(crs_id, ($13::bytea[])[1]), verified, coalesce(handles, ($15::text[])[1])::bytea[], coalesce(last_error, ($16::text[])[1]), accepted, coalesce(agreed, ($18::text[])[1])::bytea[], coalesce(answer_end, ($19::bigint[])[1]), coalesce(standing, ($20::text[])[1])
from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::text[], $13::bytea[], $14::boolean[], $15::text[], $16::text[], $17::boolean[], $18::text[], $19::bigint[], $20::text[]) as t(tenant, zk_proof_id, range_end, block_number, transaction_id, chain_id, contract_address, user_address, input, extra_data, state, crs_id, verified, handles, last_error, accepted, agreed, answer_end, standing);

-- name: put_verify_proofs
-- Insert or replace rows of verify_proofs.
insert into verify_proofs as o (shard, tenant, zk_proof_id, range_end, block_number, transaction_id, chain_id, contract_address, user_address, input, extra_data, state, crs_id, verified, handles, last_error, accepted, agreed, answer_end, standing)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(zk_proof_id, ($3::bigint[])[1]), coalesce(range_end, ($4::bigint[])[1]), coalesce(block_number, ($5::bigint[])[1]), coalesce(transaction_id, ($6::bytea[])[1]), coalesce(chain_id, ($7::bigint[])[1]), coalesce(contract_address, ($8::bytea[])[1]), coalesce(user_address, ($9::bytea[])[1]), coalesce(input, ($10::bytea[])[1]), coalesce(extra_data, ($11::bytea[])[1]), coalesce(state, ($12::text[])[1]), coalesce(crs_id, ($13::bytea[])[1]), verified, coalesce(handles, ($15::text[])[1])::bytea[], coalesce(last_error, ($16::text[])[1]), accepted, coalesce(agreed, ($18::text[])[1])::bytea[], coalesce(answer_end, ($19::bigint[])[1]), coalesce(standing, ($20::text[])[1])
from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[], $12::text[], $13::bytea[], $14::boolean[], $15::text[], $16::text[], $17::boolean[], $18::text[], $19::bigint[], $20::text[]) as t(tenant, zk_proof_id, range_end, block_number, transaction_id, chain_id, contract_address, user_address, input, extra_data, state, crs_id, verified, handles, last_error, accepted, agreed, answer_end, standing)
on conflict (tenant, zk_proof_id) do update set
  range_end = excluded.range_end, block_number = excluded.block_number, transaction_id = excluded.transaction_id, chain_id = excluded.chain_id, contract_address = excluded.contract_address, user_address = excluded.user_address, input = excluded.input, extra_data = excluded.extra_data, state = excluded.state, crs_id = excluded.crs_id, verified = excluded.verified, handles = excluded.handles, last_error = excluded.last_error, accepted = excluded.accepted, agreed = excluded.agreed, answer_end = excluded.answer_end, standing = excluded.standing;

-- name: delete_verify_proofs
-- Remove rows of verify_proofs by primary key.
delete from verify_proofs as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bigint[]) as k(tenant, zk_proof_id)
  cross join lateral (select o.ctid from verify_proofs as o where o.tenant = k.tenant and o.zk_proof_id = k.zk_proof_id offset 0) as f
));

-- name: load_verify_proofs_by_tenant_zk_proof_id
-- Rows of verify_proofs; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.zk_proof_id, o.range_end, o.block_number, o.transaction_id, o.chain_id, o.contract_address, o.user_address, o.input, o.extra_data, o.state, o.crs_id, o.verified, o.handles, o.last_error, o.accepted, o.agreed, o.answer_end, o.standing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, zk_proof_id, at)
cross join lateral (select * from verify_proofs as o where o.tenant = k.tenant and o.zk_proof_id = k.zk_proof_id offset 0) as o;

-- name: load_verify_proofs_by_tenant_range_end
-- Rows of verify_proofs; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.zk_proof_id, o.range_end, o.block_number, o.transaction_id, o.chain_id, o.contract_address, o.user_address, o.input, o.extra_data, o.state, o.crs_id, o.verified, o.handles, o.last_error, o.accepted, o.agreed, o.answer_end, o.standing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, range_end, at)
cross join lateral (select * from verify_proofs as o where o.tenant = k.tenant and o.range_end = k.range_end offset 0) as o;

-- name: load_verify_proofs_by_tenant_answer_end
-- Rows of verify_proofs; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.zk_proof_id, o.range_end, o.block_number, o.transaction_id, o.chain_id, o.contract_address, o.user_address, o.input, o.extra_data, o.state, o.crs_id, o.verified, o.handles, o.last_error, o.accepted, o.agreed, o.answer_end, o.standing) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, answer_end, at)
cross join lateral (select * from verify_proofs as o where o.tenant = k.tenant and o.answer_end = k.answer_end offset 0) as o;

-- name: add_gateway_blocks
-- Insert new rows of gateway_blocks.
insert into gateway_blocks as o (shard, tenant, number, hash, previous)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(number, ($3::bigint[])[1]), coalesce(hash, ($4::bytea[])[1]), coalesce(previous, ($5::bigint[])[1])
from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) as t(tenant, number, hash, previous);

-- name: put_gateway_blocks
-- Insert or replace rows of gateway_blocks.
insert into gateway_blocks as o (shard, tenant, number, hash, previous)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(number, ($3::bigint[])[1]), coalesce(hash, ($4::bytea[])[1]), coalesce(previous, ($5::bigint[])[1])
from unnest($2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) as t(tenant, number, hash, previous)
on conflict (tenant, number) do update set
  hash = excluded.hash, previous = excluded.previous;

-- name: delete_gateway_blocks
-- Remove rows of gateway_blocks by primary key.
delete from gateway_blocks as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bigint[]) as k(tenant, number)
  cross join lateral (select o.ctid from gateway_blocks as o where o.tenant = k.tenant and o.number = k.number offset 0) as f
));

-- name: load_gateway_blocks_by_tenant_number
-- Rows of gateway_blocks; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.number, o.hash, o.previous) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bigint[]) with ordinality as k(tenant, number, at)
cross join lateral (select * from gateway_blocks as o where o.tenant = k.tenant and o.number = k.number offset 0) as o;

-- name: add_work_items
-- Insert new rows of work_items.
insert into work_items as o (shard, tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause, attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(id, ($3::text[])[1]), coalesce(work_class, ($4::text[])[1]), coalesce(kind, ($5::text[])[1]), coalesce(subject, ($6::bytea[])[1]), coalesce(affinity, ($7::bytea[])[1]), coalesce(contract, ($8::bytea[])[1]), coalesce(cost_ms, ($9::bigint[])[1]), coalesce(state, ($10::text[])[1]), coalesce(priority, ($11::bigint[])[1]), coalesce(missing, ($12::bigint[])[1]), coalesce(key_id, ($13::bytea[])[1]), coalesce(cause, ($14::text[])[1]), coalesce(attempt, ($15::bigint[])[1]), coalesce(uncomputable_counter, ($16::bigint[])[1]), coalesce(not_before_ms, ($17::bigint[])[1]), coalesce(deadline_ms, ($18::bigint[])[1]), coalesce(epoch, ($19::bigint[])[1]), coalesce(worker, ($20::text[])[1]), coalesce(partition, ($21::bigint[])[1]), coalesce(event_id, ($22::text[])[1])
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bytea[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::text[], $21::bigint[], $22::text[]) as t(tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause, attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id);

-- name: put_work_items
-- Insert or replace rows of work_items.
insert into work_items as o (shard, tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause, attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(id, ($3::text[])[1]), coalesce(work_class, ($4::text[])[1]), coalesce(kind, ($5::text[])[1]), coalesce(subject, ($6::bytea[])[1]), coalesce(affinity, ($7::bytea[])[1]), coalesce(contract, ($8::bytea[])[1]), coalesce(cost_ms, ($9::bigint[])[1]), coalesce(state, ($10::text[])[1]), coalesce(priority, ($11::bigint[])[1]), coalesce(missing, ($12::bigint[])[1]), coalesce(key_id, ($13::bytea[])[1]), coalesce(cause, ($14::text[])[1]), coalesce(attempt, ($15::bigint[])[1]), coalesce(uncomputable_counter, ($16::bigint[])[1]), coalesce(not_before_ms, ($17::bigint[])[1]), coalesce(deadline_ms, ($18::bigint[])[1]), coalesce(epoch, ($19::bigint[])[1]), coalesce(worker, ($20::text[])[1]), coalesce(partition, ($21::bigint[])[1]), coalesce(event_id, ($22::text[])[1])
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bytea[], $14::text[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::text[], $21::bigint[], $22::text[]) as t(tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state, priority, missing, key_id, cause, attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker, partition, event_id)
on conflict (tenant, id) do update set
  work_class = excluded.work_class, kind = excluded.kind, subject = excluded.subject, affinity = excluded.affinity, contract = excluded.contract, cost_ms = excluded.cost_ms, state = excluded.state, priority = excluded.priority, missing = excluded.missing, key_id = excluded.key_id, cause = excluded.cause, attempt = excluded.attempt, uncomputable_counter = excluded.uncomputable_counter, not_before_ms = excluded.not_before_ms, deadline_ms = excluded.deadline_ms, epoch = excluded.epoch, worker = excluded.worker, partition = excluded.partition, event_id = excluded.event_id,
  claimed_at = case when excluded.state = 'claimed' and o.state <> 'claimed' then now() else o.claimed_at end,
  started_at = case when excluded.state in ('claimed', 'dispatched') and excluded.attempt = o.attempt
    and excluded.deadline_ms > o.deadline_ms then now() else o.started_at end,
  finished_at = case when excluded.state in ('done', 'failed', 'cancelled') and o.state <> excluded.state
    then now() else o.finished_at end;

-- name: delete_work_items
-- Remove rows of work_items by primary key.
delete from work_items as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[]) as k(tenant, id)
  cross join lateral (select o.ctid from work_items as o where o.tenant = k.tenant and o.id = k.id offset 0) as f
));

-- name: load_work_items_by_tenant_id
-- Rows of work_items; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.id, o.work_class, o.kind, o.subject, o.affinity, o.contract, o.cost_ms, o.state, o.priority, o.missing, o.key_id, o.cause, o.attempt, o.uncomputable_counter, o.not_before_ms, o.deadline_ms, o.epoch, o.worker, o.partition, o.event_id) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as k(tenant, id, at)
cross join lateral (select * from work_items as o where o.tenant = k.tenant and o.id = k.id offset 0) as o;

-- name: add_work_members
-- Insert new rows of work_members.
insert into work_members as o (shard, tenant, item, handle, position, fhe_operation, dependencies, is_scalar, fhe_type, is_output)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(handle, ($4::bytea[])[1]), coalesce(position, ($5::bigint[])[1]), coalesce(fhe_operation, ($6::bigint[])[1]), coalesce(dependencies, ($7::text[])[1])::bytea[], coalesce(is_scalar, ($8::boolean[])[1]), coalesce(fhe_type, ($9::bigint[])[1]), coalesce(is_output, ($10::boolean[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[], $8::boolean[], $9::bigint[], $10::boolean[]) as t(tenant, item, handle, position, fhe_operation, dependencies, is_scalar, fhe_type, is_output);

-- name: put_work_members
-- Insert or replace rows of work_members.
insert into work_members as o (shard, tenant, item, handle, position, fhe_operation, dependencies, is_scalar, fhe_type, is_output)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(handle, ($4::bytea[])[1]), coalesce(position, ($5::bigint[])[1]), coalesce(fhe_operation, ($6::bigint[])[1]), coalesce(dependencies, ($7::text[])[1])::bytea[], coalesce(is_scalar, ($8::boolean[])[1]), coalesce(fhe_type, ($9::bigint[])[1]), coalesce(is_output, ($10::boolean[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[], $8::boolean[], $9::bigint[], $10::boolean[]) as t(tenant, item, handle, position, fhe_operation, dependencies, is_scalar, fhe_type, is_output)
on conflict (tenant, item, handle) do update set
  position = excluded.position, fhe_operation = excluded.fhe_operation, dependencies = excluded.dependencies, is_scalar = excluded.is_scalar, fhe_type = excluded.fhe_type, is_output = excluded.is_output;

-- name: delete_work_members
-- Remove rows of work_members by primary key.
delete from work_members as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[], $3::bytea[]) as k(tenant, item, handle)
  cross join lateral (select o.ctid from work_members as o where o.tenant = k.tenant and o.item = k.item and o.handle = k.handle offset 0) as f
));

-- name: load_work_members_by_tenant_item_handle
-- Rows of work_members; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.handle, o.position, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.is_output) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as k(tenant, item, handle, at)
cross join lateral (select * from work_members as o where o.tenant = k.tenant and o.item = k.item and o.handle = k.handle offset 0) as o;

-- name: load_work_members_by_tenant_item
-- Rows of work_members; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.handle, o.position, o.fhe_operation, o.dependencies, o.is_scalar, o.fhe_type, o.is_output) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as k(tenant, item, at)
cross join lateral (select * from work_members as o where o.tenant = k.tenant and o.item = k.item offset 0) as o;

-- name: add_work_waits
-- Insert new rows of work_waits.
insert into work_waits as o (shard, tenant, item, token)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(token, ($4::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[]) as t(tenant, item, token);

-- name: put_work_waits
-- Insert or replace rows of work_waits.
insert into work_waits as o (shard, tenant, item, token)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(token, ($4::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[]) as t(tenant, item, token)
on conflict (tenant, item, token) do nothing;

-- name: delete_work_waits
-- Remove rows of work_waits by primary key.
delete from work_waits as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[], $3::bytea[]) as k(tenant, item, token)
  cross join lateral (select o.ctid from work_waits as o where o.tenant = k.tenant and o.item = k.item and o.token = k.token offset 0) as f
));

-- name: load_work_waits_by_tenant_item_token
-- Rows of work_waits; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.token) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as k(tenant, item, token, at)
cross join lateral (select * from work_waits as o where o.tenant = k.tenant and o.item = k.item and o.token = k.token offset 0) as o;

-- name: load_work_waits_by_tenant_token
-- Rows of work_waits; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.token) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, token, at)
cross join lateral (select * from work_waits as o where o.tenant = k.tenant and o.token = k.token offset 0) as o;

-- name: load_work_waits_by_tenant_item
-- Rows of work_waits; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.token) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as k(tenant, item, at)
cross join lateral (select * from work_waits as o where o.tenant = k.tenant and o.item = k.item offset 0) as o;

-- name: add_work_failures
-- Insert new rows of work_failures.
insert into work_failures as o (shard, tenant, token, cause)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(token, ($3::bytea[])[1]), coalesce(cause, ($4::text[])[1])
from unnest($2::text[], $3::bytea[], $4::text[]) as t(tenant, token, cause);

-- name: put_work_failures
-- Insert or replace rows of work_failures.
insert into work_failures as o (shard, tenant, token, cause)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(token, ($3::bytea[])[1]), coalesce(cause, ($4::text[])[1])
from unnest($2::text[], $3::bytea[], $4::text[]) as t(tenant, token, cause)
on conflict (tenant, token) do update set
  cause = excluded.cause;

-- name: delete_work_failures
-- Remove rows of work_failures by primary key.
delete from work_failures as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[]) as k(tenant, token)
  cross join lateral (select o.ctid from work_failures as o where o.tenant = k.tenant and o.token = k.token offset 0) as f
));

-- name: load_work_failures_by_tenant_token
-- Rows of work_failures; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.token, o.cause) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, token, at)
cross join lateral (select * from work_failures as o where o.tenant = k.tenant and o.token = k.token offset 0) as o;

-- name: add_early_results
-- Insert new rows of early_results.
insert into early_results as o (shard, tenant, item, done, failure, verified, handles, reason)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(done, ($4::boolean[])[1]), coalesce(failure, ($5::text[])[1]), verified, coalesce(handles, ($7::text[])[1])::bytea[], coalesce(reason, ($8::text[])[1])
from unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::boolean[], $7::text[], $8::text[]) as t(tenant, item, done, failure, verified, handles, reason);

-- name: put_early_results
-- Insert or replace rows of early_results.
insert into early_results as o (shard, tenant, item, done, failure, verified, handles, reason)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(item, ($3::text[])[1]), coalesce(done, ($4::boolean[])[1]), coalesce(failure, ($5::text[])[1]), verified, coalesce(handles, ($7::text[])[1])::bytea[], coalesce(reason, ($8::text[])[1])
from unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::boolean[], $7::text[], $8::text[]) as t(tenant, item, done, failure, verified, handles, reason)
on conflict (tenant, item) do update set
  done = excluded.done, failure = excluded.failure, verified = excluded.verified, handles = excluded.handles, reason = excluded.reason;

-- name: delete_early_results
-- Remove rows of early_results by primary key.
delete from early_results as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[]) as k(tenant, item)
  cross join lateral (select o.ctid from early_results as o where o.tenant = k.tenant and o.item = k.item offset 0) as f
));

-- name: load_early_results_by_tenant_item
-- Rows of early_results; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.done, o.failure, o.verified, o.handles, o.reason) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[]) with ordinality as k(tenant, item, at)
cross join lateral (select * from early_results as o where o.tenant = k.tenant and o.item = k.item offset 0) as o;

-- name: load_early_results_by_tenant
-- Rows of early_results; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.item, o.done, o.failure, o.verified, o.handles, o.reason) as found, null::bytea[] as arrays
from unnest($1::text[]) with ordinality as k(tenant, at)
cross join lateral (select * from early_results as o where o.tenant = k.tenant limit 1) as o;

-- name: add_tenant_keys
-- Insert new rows of tenant_keys.
insert into tenant_keys as o (shard, tenant, kind, key_id, digest)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(digest, ($5::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) as t(tenant, kind, key_id, digest);

-- name: put_tenant_keys
-- Insert or replace rows of tenant_keys.
insert into tenant_keys as o (shard, tenant, kind, key_id, digest)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(key_id, ($4::bytea[])[1]), coalesce(digest, ($5::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) as t(tenant, kind, key_id, digest)
on conflict (tenant, kind, key_id) do update set
  digest = excluded.digest;

-- name: delete_tenant_keys
-- Remove rows of tenant_keys by primary key.
delete from tenant_keys as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[], $3::bytea[]) as k(tenant, kind, key_id)
  cross join lateral (select o.ctid from tenant_keys as o where o.tenant = k.tenant and o.kind = k.kind and o.key_id = k.key_id offset 0) as f
));

-- name: load_tenant_keys_by_tenant_kind_key_id
-- Rows of tenant_keys; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.kind, o.key_id, o.digest) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as k(tenant, kind, key_id, at)
cross join lateral (select * from tenant_keys as o where o.tenant = k.tenant and o.kind = k.kind and o.key_id = k.key_id offset 0) as o;

-- name: add_divergences
-- Insert new rows of divergences.
insert into divergences as o (shard, tenant, kind, subject, other)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(subject, ($4::bytea[])[1]), coalesce(other, ($5::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) as t(tenant, kind, subject, other);

-- name: put_divergences
-- Insert or replace rows of divergences.
insert into divergences as o (shard, tenant, kind, subject, other)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(subject, ($4::bytea[])[1]), coalesce(other, ($5::bytea[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::bytea[]) as t(tenant, kind, subject, other)
on conflict (tenant, kind, subject, other) do nothing;

-- name: delete_divergences
-- Remove rows of divergences by primary key.
delete from divergences as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) as k(tenant, kind, subject, other)
  cross join lateral (select o.ctid from divergences as o where o.tenant = k.tenant and o.kind = k.kind and o.subject = k.subject and o.other = k.other offset 0) as f
));

-- name: load_divergences_by_tenant_kind_subject_other
-- Rows of divergences; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.kind, o.subject, o.other) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) with ordinality as k(tenant, kind, subject, other, at)
cross join lateral (select * from divergences as o where o.tenant = k.tenant and o.kind = k.kind and o.subject = k.subject and o.other = k.other offset 0) as o;

-- name: add_alarms
-- Insert new rows of alarms.
insert into alarms as o (shard, tenant, kind, subject, detail)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(subject, ($4::bytea[])[1]), coalesce(detail, ($5::text[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::text[]) as t(tenant, kind, subject, detail);

-- name: put_alarms
-- Insert or replace rows of alarms.
insert into alarms as o (shard, tenant, kind, subject, detail)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(kind, ($3::text[])[1]), coalesce(subject, ($4::bytea[])[1]), coalesce(detail, ($5::text[])[1])
from unnest($2::text[], $3::text[], $4::bytea[], $5::text[]) as t(tenant, kind, subject, detail)
on conflict (tenant, kind, subject) do update set
  detail = excluded.detail;

-- name: delete_alarms
-- Remove rows of alarms by primary key.
delete from alarms as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::text[], $3::bytea[]) as k(tenant, kind, subject)
  cross join lateral (select o.ctid from alarms as o where o.tenant = k.tenant and o.kind = k.kind and o.subject = k.subject offset 0) as f
));

-- name: load_alarms_by_tenant_kind_subject
-- Rows of alarms; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.kind, o.subject, o.detail) as found, null::bytea[] as arrays
from unnest($1::text[], $2::text[], $3::bytea[]) with ordinality as k(tenant, kind, subject, at)
cross join lateral (select * from alarms as o where o.tenant = k.tenant and o.kind = k.kind and o.subject = k.subject offset 0) as o;

-- name: add_fact_parts
-- Insert new rows of fact_parts.
insert into fact_parts as o (shard, tenant, sha256, part, parts, body)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(sha256, ($3::bytea[])[1]), coalesce(part, ($4::bigint[])[1]), coalesce(parts, ($5::bigint[])[1]), coalesce(body, ($6::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[]) as t(tenant, sha256, part, parts, body);

-- name: put_fact_parts
-- Insert or replace rows of fact_parts.
insert into fact_parts as o (shard, tenant, sha256, part, parts, body)
select $1, coalesce(tenant, ($2::text[])[1]), coalesce(sha256, ($3::bytea[])[1]), coalesce(part, ($4::bigint[])[1]), coalesce(parts, ($5::bigint[])[1]), coalesce(body, ($6::bytea[])[1])
from unnest($2::text[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[]) as t(tenant, sha256, part, parts, body)
on conflict (tenant, sha256, part) do update set
  parts = excluded.parts, body = excluded.body;

-- name: delete_fact_parts
-- Remove rows of fact_parts by primary key.
delete from fact_parts as o where o.ctid = any(array(
  select f.ctid from unnest($1::text[], $2::bytea[], $3::bigint[]) as k(tenant, sha256, part)
  cross join lateral (select o.ctid from fact_parts as o where o.tenant = k.tenant and o.sha256 = k.sha256 and o.part = k.part offset 0) as f
));

-- name: load_fact_parts_by_tenant_sha256_part
-- Rows of fact_parts; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.sha256, o.part, o.parts, o.body) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[], $3::bigint[]) with ordinality as k(tenant, sha256, part, at)
cross join lateral (select * from fact_parts as o where o.tenant = k.tenant and o.sha256 = k.sha256 and o.part = k.part offset 0) as o;

-- name: load_fact_parts_by_tenant_sha256
-- Rows of fact_parts; `at` says which of the asked values they answer.
select k.at, row(o.tenant, o.sha256, o.part, o.parts, o.body) as found, null::bytea[] as arrays
from unnest($1::text[], $2::bytea[]) with ordinality as k(tenant, sha256, at)
cross join lateral (select * from fact_parts as o where o.tenant = k.tenant and o.sha256 = k.sha256 offset 0) as o;
