"""The sender's role does the sender's work and reaches nothing else."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from streams.adapters.postgres import pool
from streams.adapters.postgres.grants import grant_sender
from streams.adapters.postgres.migrate import migrate
from streams.adapters.postgres.sender_store import open_sender_store
from streams.devnet.postgres import SENDER, install
from streams.devnet.stack import Stack
from streams.domain.errors import ConfigurationError
from streams.domain.rows import TABLES
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack
OWN = ("transactions", "sender_epochs", "refusals")


@pytest.fixture
async def schema(postgres: PostgresSettings, stack: Stack) -> str:
    await grant_sender(stack.postgres_url, postgres.schema_name, SENDER)
    return postgres.schema_name


@pytest.fixture
async def sender(schema: str, stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.postgres_sender_url, server_settings={"search_path": schema})
    yield connection
    await connection.close()


async def test_the_role_may_do_what_the_sender_does(schema: str, stack: Stack) -> None:
    store = await open_sender_store(PostgresSettings(url=stack.postgres_sender_url, schema=schema))
    await store.check()
    assert await store.acquire(b"\1" * 20) == 1
    await store.close()


async def test_the_compose_file_makes_the_role_once_and_gives_it_its_password(
    stack: Stack, postgres: PostgresSettings
) -> None:
    role = f"r_{secrets.token_hex(6)}"
    compose = msgspec.yaml.decode((Path(__file__).parents[3] / "docker-compose.yml").read_bytes())
    command = [part.replace(SENDER, role) for part in compose["services"]["roles"]["entrypoint"]]
    server = urlsplit(stack.postgres_url)
    variables = {
        "PATH": f"{install() / 'bin'}:{os.environ['PATH']}",
        "PGHOST": server.hostname or "",
        "PGPORT": str(server.port),
        "PGUSER": server.username or "",
        "PGPASSWORD": server.password or "",
        "PGDATABASE": server.path.removeprefix("/"),
    }
    for password in ("first", "it's 'another"):
        made = await asyncio.create_subprocess_exec(
            *command, env=variables | {"SENDER_PASSWORD": password}, stdout=asyncio.subprocess.DEVNULL
        )
        assert await made.wait() == 0
        own = await asyncpg.connect(stack.postgres_url, user=role, password=password)
        await own.close()
    await grant_sender(stack.postgres_url, postgres.schema_name, role)


async def test_every_table_of_the_graph_is_closed_to_it(sender: asyncpg.Connection) -> None:
    for table in TABLES:
        for statement in ("update {} set shard = 0", "select * from {}", "delete from {}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await sender.execute(statement.format(table.TABLE))


@pytest.mark.parametrize("table", OWN)
async def test_what_was_signed_is_not_forgotten(sender: asyncpg.Connection, table: str) -> None:
    for statement in ("delete from {}", "truncate {}", "drop table {}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sender.execute(statement.format(table))


async def test_migrations_are_read_only_to_it(sender: asyncpg.Connection) -> None:
    assert await sender.fetchval("select count(*) from schema_migrations") > 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await sender.execute("delete from schema_migrations")


async def test_more_that_it_was_given_once_is_taken_back(schema: str, stack: Stack) -> None:
    owner = await asyncpg.connect(stack.postgres_url)
    await owner.execute(f"grant all on {schema}.work_items to {SENDER}")
    await grant_sender(stack.postgres_url, schema, SENDER)
    may = "select has_table_privilege($1, $2, 'update')"
    assert not await owner.fetchval(may, SENDER, f"{schema}.work_items")
    assert await owner.fetchval(may, SENDER, f"{schema}.transactions")
    await owner.close()


async def test_a_right_that_lacks_is_a_matter_of_configuration(
    postgres: PostgresSettings, stack: Stack
) -> None:
    store = await open_sender_store(
        PostgresSettings(url=stack.postgres_sender_url, schema=postgres.schema_name)
    )
    with pytest.raises(ConfigurationError, match="migrate"):
        await store.check()
    await store.close()


async def test_a_refused_statement_tells_the_table(schema: str, stack: Stack) -> None:
    opened = await pool.open_pool(PostgresSettings(url=stack.postgres_sender_url, schema=schema), 1)
    with pytest.raises(ConfigurationError, match="permission denied for table work_items"):
        async with pool.acquired(opened) as connection:
            await connection.execute("update work_items set shard = 0")
    await opened.close()


async def test_a_role_that_is_not_there_is_named(schema: str, stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match=r'no_such"role.*create role'):
        await grant_sender(stack.postgres_url, schema, 'no_such"role')


async def test_tables_come_first(stack: Stack) -> None:
    schema = f"t_{secrets.token_hex(6)}"
    with pytest.raises(ConfigurationError, match="cipherstream migrate"):
        await grant_sender(stack.postgres_url, schema, SENDER)
    await migrate(stack.postgres_url, schema)
    await grant_sender(stack.postgres_url, schema, SENDER)
