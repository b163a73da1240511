-- Indices that another one answers as well: each new row paid for them.

-- The beginning of the primary key.
drop index computations_output_handle;
drop index work_members_item;
drop index work_waits_item;
drop index fact_parts_sha256;

-- A transaction's hash alone finds its operations.
drop index computations_transaction_id_block_hash;
