"""Applies the plain SQL files of streams/migrations in order, each once, with its checksum recorded."""

import hashlib
import re
from importlib import resources
from typing import Final

import asyncpg
import msgspec

from streams.adapters.postgres import pool, queries
from streams.domain.errors import ConfigurationError

_FILE: Final = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file: an applied file must not change."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All files in order."""
    found: list[Migration] = []
    for file in resources.files("streams").joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.version)


async def migrate(url: str, schema: str = "public") -> list[str]:
    """Bring a schema up to date, all or nothing; gives the names of what was applied.

    Raises: ConfigurationError when an applied file was changed or the server is too old, StoreError when the
        database is away.
    """
    with pool.translated():
        connection = await pool.connect(url)
        try:
            pool.require_version(connection)
            async with connection.transaction():
                return await _apply(connection, schema)
        finally:
            await connection.close()


async def _apply(connection: pool.Connection, schema: str) -> list[str]:
    sql = queries.load("migrations.sql")
    await connection.execute(sql["lock"])
    # Not `if not exists`: that needs the right to make one also where there is one.
    if not await connection.fetchval(sql["has_schema"], schema):
        await connection.execute(f"create schema {pool.quoted(schema)}")
    await connection.execute(f"set local search_path to {pool.quoted(schema)}")
    await connection.execute(sql["create_table"])
    applied = {row["version"]: row["checksum"] for row in await connection.fetch(sql["applied"])}
    done: list[str] = []
    for migration in migrations():
        known = applied.get(migration.version)
        if known == migration.checksum:
            continue
        if known is not None:
            raise ConfigurationError(f"migration {migration.version:04} was changed after it was applied")
        if applied and not done:
            # Owners begin every transaction here, so they wait holding nothing that a migration needs.
            await connection.execute(sql["stop_owners"])
        await connection.execute(migration.sql)
        await connection.execute(sql["record"], migration.version, migration.name, migration.checksum)
        done.append(f"{migration.version:04}_{migration.name}")
    return done


async def check(settings_pool: pool.Pool) -> None:
    """Refuse a schema that lacks a migration, or an old server; raises ConfigurationError."""
    sql = queries.load("migrations.sql")
    try:
        async with pool.acquired(settings_pool) as connection:
            pool.require_version(connection)
            applied: set[int] = {row["version"] for row in await connection.fetch(sql["applied"])}
    except asyncpg.UndefinedTableError:
        applied = set[int]()
    missing = [migration.version for migration in migrations() if migration.version not in applied]
    if missing:
        raise ConfigurationError(f"the schema lacks migrations {missing}: run `cipherstream migrate`")
