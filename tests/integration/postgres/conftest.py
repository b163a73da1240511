"""A fresh schema per test in the shared Postgres."""

import secrets
from collections.abc import AsyncGenerator

import pytest

from streams.adapters.postgres.migrate import migrate
from streams.adapters.postgres.store import PostgresStore
from streams.devnet.stack import Stack
from streams.settings import PostgresSettings


@pytest.fixture
async def postgres(stack: Stack) -> PostgresSettings:
    schema = f"t_{secrets.token_hex(6)}"
    await migrate(stack.postgres_url, schema)
    return PostgresSettings(url=stack.postgres_url, schema=schema)


@pytest.fixture
async def store(postgres: PostgresSettings) -> AsyncGenerator[PostgresStore]:
    opened = await PostgresStore.open(postgres)
    yield opened
    await opened.close()
