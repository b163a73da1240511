"""Migrations: in order, once, all or nothing; the tables are those of the row classes."""

import asyncio
import secrets
from urllib.parse import urlsplit

import asyncpg
import pytest

from streams.adapters.postgres import migrate as migrations
from streams.adapters.postgres import pool
from streams.adapters.postgres.migrate import Migration, check, migrate
from streams.adapters.postgres.store import PostgresStore
from streams.devnet.stack import Stack
from streams.domain.errors import ConfigurationError
from streams.domain.rows import TABLES
from streams.ports import Record
from streams.settings import PostgresSettings
from tools import rows_sql

pytestmark = pytest.mark.stack
WAITED_FOR = "select 1 from pg_locks where relation = 'shard_owner'::regclass and not granted"


async def test_a_second_run_has_nothing_to_do(stack: Stack) -> None:
    schema = f"t_{secrets.token_hex(6)}"
    applied = await migrate(stack.postgres_url, schema)
    assert applied[0] == "0001_state"
    assert await migrate(stack.postgres_url, schema) == []


async def test_the_owner_of_a_schema_needs_no_right_to_make_others(stack: Stack) -> None:
    schema = f"t_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(stack.postgres_url)
    await admin.execute(f"create role {schema} login password 'x'")
    await admin.execute(f"create schema {schema} authorization {schema}")
    server = urlsplit(stack.postgres_url)
    owner = server._replace(netloc=f"{schema}:x@{server.hostname}:{server.port}").geturl()
    assert await migrate(owner, schema)
    with pytest.raises(ConfigurationError, match="permission denied"):
        await migrate(owner, f"{schema}_other")
    await admin.execute(f"drop schema {schema} cascade")
    await admin.execute(f"drop role {schema}")
    await admin.close()


async def test_an_old_server_is_refused(
    stack: Stack, store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "VERSION_MIN", 99)
    for refused in (migrate(stack.postgres_url, "unused"), check(store.pool)):
        with pytest.raises(ConfigurationError, match="99 or newer is needed"):
            await refused


async def test_a_server_that_does_not_know_our_settings_is_refused(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_KEEPALIVE", {"transaction_timeouts": "1"})
    old = await PostgresStore.open(PostgresSettings(url=stack.postgres_url, schema="public"))
    with pytest.raises(ConfigurationError, match=r"unrecognized configuration parameter.*or newer"):
        await check(old.pool)
    await old.close()


async def test_a_changed_file_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = f"t_{secrets.token_hex(6)}"
    await migrate(stack.postgres_url, schema)
    monkeypatch.setattr(migrations, "migrations", lambda: [Migration(1, "state", "select 1")])
    with pytest.raises(ConfigurationError, match="0001 was changed"):
        await migrate(stack.postgres_url, schema)


async def test_a_schema_without_tables_names_the_command(stack: Stack, store: PostgresStore) -> None:
    await check(store.pool)
    empty = await PostgresStore.open(
        PostgresSettings(url=stack.postgres_url, schema=f"t_{secrets.token_hex(6)}")
    )
    with pytest.raises(ConfigurationError, match="cipherstream migrate"):
        await check(empty.pool)
    await empty.close()


async def test_every_row_class_has_its_table(store: PostgresStore, postgres: PostgresSettings) -> None:
    found = await store.pool.fetch(
        "select table_name, column_name, data_type from information_schema.columns where table_schema = $1",
        postgres.schema_name,
    )
    kinds = {(row["table_name"], row["column_name"]): row["data_type"] for row in found}
    for table in TABLES:
        assert kinds[table.TABLE, "shard"] == "integer"
        for name, kind in rows_sql.columns(table).items():
            expected = "ARRAY" if kind == "bytea[]" else kind
            assert (table.TABLE, name, kinds[table.TABLE, name]) == (table.TABLE, name, expected)


async def as_before(version: int, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> PostgresSettings:
    """A schema as it was before that migration."""
    settings = PostgresSettings(url=stack.postgres_url, schema=f"t_{secrets.token_hex(6)}")
    every = migrations.migrations()
    with monkeypatch.context() as before:
        before.setattr(migrations, "migrations", lambda: [each for each in every if each.version < version])
        await migrate(stack.postgres_url, settings.schema_name)
    return settings


async def test_alarms_of_former_versions_that_nothing_ends_are_gone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await as_before(10, stack, monkeypatch)
    store = await PostgresStore.open(settings)
    await store.pool.execute(
        "insert into alarms (shard, tenant, kind, subject, detail) values"
        " (0, 't', 'gateway_range', '\\xaa', 'of before'), (0, 't', 'gateway_range', '', 'a gap'),"
        " (0, 't', 'drift', '\\xaa', 'differs')"
    )
    await migrate(stack.postgres_url, settings.schema_name)
    left = await store.pool.fetch("select kind, subject from standing_alarms order by kind")
    assert [tuple(row) for row in left] == [("drift", b"\xaa"), ("gateway_range", b"")]
    await store.close()


async def test_a_tenant_of_a_former_version_knows_where_its_chain_begins(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await as_before(12, stack, monkeypatch)
    store = await PostgresStore.open(settings)
    await store.pool.execute(
        "insert into tenants (shard, tenant, chain_id, tip_hash, tip_number, blocks_seen, key_id, engine,"
        " crs_id, gateway_number, gateway_hash) select 3, name, 1, '', tip, 0, '', '', '', 7, '' from"
        " (values ('t', 8), ('new', -1)) as of(name, tip)"
    )
    await store.pool.execute(
        "insert into blocks (shard, tenant, hash, parent_hash, number, timestamp, status, sequence) values"
        " (3, 't', 'b', 'a', 8, 0, 'canonical', 1), (3, 't', 'a', '', 7, 0, 'canonical', 0)"
    )
    await migrate(stack.postgres_url, settings.schema_name)
    rows = await store.pool.fetch("select tenant, anchor_number from tenants order by tenant")
    assert [tuple(row) for row in rows] == [("new", -1), ("t", 7)]
    assert [(p.tenant, p.tip_number, p.gateway_number) for p in await store.places(3)] == [
        ("new", -1, 7),
        ("t", 8, 7),
    ]
    assert await store.places(4) == []
    await store.close()


async def test_a_tenant_that_was_halted_before_is_named_and_resumed_by_what_its_records_say(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = await as_before(14, stack, monkeypatch)
    first = Record(topic="events.v1", partition=3, offset=9, key=b"t", value=b"\xff")
    empty = Record(topic="events.v1", partition=3, offset=10, key=None, value=None)
    store = await PostgresStore.open(settings)
    for record in (first, empty):
        await store.pool.execute(
            "insert into halted_records (shard, tenant, topic, part, off, key, value, header_names,"
            " header_values, timestamp_ms) values (3, 't', $1, $2, $3, $4, $5, '{}', '{}', 0)",
            *(record.topic, record.partition, record.offset, record.key, record.value),
        )
    await store.pool.execute("insert into halted_tenants values ('t', 3, 'events.v1', 3, 9, 'defect')")
    await store.pool.execute(
        "insert into alarms (shard, tenant, kind, subject, detail) values"
        " (3, 't', 'halted', '\\xaa', 'defect'), (3, 't', 'drift', '\\xaa', 'differs')"
    )
    await migrate(stack.postgres_url, settings.schema_name)
    (halted,) = await store.halted()
    assert (halted.tenant, halted.off, halted.record) == ("t", 9, first.identity.hex())
    assert [alarm.subject for alarm in await store.alarms("t", "drift")] == [b"\xaa"]
    epoch = (await store.claim(3, "me", {})).epoch
    async with store.begin(3, epoch) as tx:
        assert await tx.held("t", 3) == [first, empty]
        await tx.drop_held([first, empty])
        assert await tx.held("t", 3) == []
    await store.close()


async def test_a_migration_waits_for_the_transactions_of_owners(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PostgresSettings(url=stack.postgres_url, schema=f"t_{secrets.token_hex(6)}")
    *earlier, last = migrations.migrations()
    with monkeypatch.context() as before:
        before.setattr(migrations, "migrations", lambda: earlier)
        await migrate(stack.postgres_url, settings.schema_name)
    store = await PostgresStore.open(settings)
    epoch = (await store.claim(0, "me", {})).epoch
    async with store.begin(0, epoch), asyncio.timeout(60):
        migrating = asyncio.create_task(migrate(stack.postgres_url, settings.schema_name))
        # On the owners' own table, before anything is locked that this transaction may still need.
        while not await store.pool.fetchval(WAITED_FOR):
            assert not migrating.done()
            await asyncio.sleep(0.01)
    assert await migrating == [f"{last.version:04}_{last.name}"]
    await store.close()
