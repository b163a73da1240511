"""A million rows in each of the tables that are asked most often, made inside the server in seconds.

Rows go in before the indices are built, which leaves these as they would be after a vacuum. Handles are short
and tables are unlogged, which changes sizes and not plans. Most items are done, as in a deployment that has
run for a while; indices that no query under test could use are left out.
"""

from typing import Any, Final

ROWS: Final = 1_000_000
SHARDS: Final = 24

_FILL: Final = {
    "work_items": f"""
insert into work_items (shard, tenant, id, work_class, kind, subject, affinity, contract, cost_ms, state,
  priority, missing, key_id, cause, attempt, uncomputable_counter, not_before_ms, deadline_ms, epoch, worker,
  partition)
select n % {SHARDS}, 't' || n % {SHARDS}, n, (array['tfhe', 'sns', 'sender', 'publish'])[1 + n % 4],
  'compute', int8send(n), '', int4send((n % 200)::int), 100,
  case when n % 25 = 0 then 'ready' when n % 997 = 0 then 'dispatched' when n % 9973 = 0 then 'claimed'
    else 'done' end,
  0, 0, '', '', 0, 0, case when n % 1000 = 0 then 2000 else 0 end, 5000, 1, 'w' || n % 8, 0
from generate_series(1, {ROWS}::bigint) as n""",
    "computations": f"""
insert into computations (shard, tenant, output_handle, transaction_id, block_hash, log_index, fhe_operation,
  dependencies, is_scalar, fhe_type, caller)
select n % {SHARDS}, 't' || n % {SHARDS}, int8send(n), int8send(n / 10), int8send(n / 100), n % 10, 0,
  array[int8send(n - n % 20)], false, 5, ''
from generate_series(1, {ROWS}::bigint) as n""",
    "ciphertext_digest": f"""
insert into ciphertext_digest (shard, tenant, handle, key_id, ciphertext, ciphertext128, ciphertext128_format,
  signer, attestation, txn_is_sent)
select n % {SHARDS}, 't' || n % {SHARDS}, int8send(n), '', '', '', 11, '', '', n % 500 > 0
from generate_series(1, {ROWS}::bigint) as n""",
    "handles": f"""
insert into handles (shard, tenant, handle, fhe_type, operation_digest, reasons, compute_item, followed,
  key_id, ct64_digest, ct128_digest, is_input)
select n % {SHARDS}, 't' || n % {SHARDS}, int8send(n), 5, '', 1, '', true, '', '', '', false
from generate_series(1, {ROWS}::bigint) as n""",
}
TABLES: Final = tuple(_FILL)
_INDICES: Final = """
select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition, c.conname as key,
  t.relname as place
from pg_index i
join pg_class t on t.oid = i.indrelid
left join pg_constraint c on c.conindid = i.indexrelid
where i.indrelid = any($1::regclass[])
"""
_DROPPED: Final = ("computations_", "ciphertext_digest_pkey", "work_items_pkey", "work_items_subject")


async def fill(connection: Any) -> None:
    """Make the rows in the schema of the search path."""
    indices = await connection.fetch(_INDICES, list(_FILL))
    for index in indices:
        key = f"alter table {index['place']} drop constraint {index['key']}"
        await connection.execute(key if index["key"] else f"drop index {index['name']}")
    for table, rows in _FILL.items():
        await connection.execute(f"alter table {table} set unlogged")
        await connection.execute(rows)
    await connection.execute("set maintenance_work_mem = '256MB'")
    for index in indices:
        if not index["name"].rpartition(".")[2].startswith(_DROPPED):
            await connection.execute(index["definition"])
    await connection.execute("vacuum analyze " + ", ".join(_FILL))


def handle(number: int) -> bytes:
    """The handle of row `number`."""
    return number.to_bytes(8, "big")
