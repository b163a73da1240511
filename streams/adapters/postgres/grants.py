"""The transaction-sender's role of its own: it reaches the sender's tables and no other."""

from typing import Final

import asyncpg

from streams.adapters.postgres import pool, queries
from streams.domain.errors import ConfigurationError

_SQL: Final = queries.load("grants.sql")


async def grant_sender(url: str, schema: str, role: str) -> None:
    """Give a role what the sender's statements need in a migrated schema, and nothing else there.

    Raises: ConfigurationError when the role or the tables are missing or `url` may not grant, StoreError.
    """
    names = {"schema": pool.quoted(schema), "role": pool.quoted(role)}
    with pool.translated():
        connection = await pool.connect(url)
        try:
            async with connection.transaction():
                for statement in _SQL.values():
                    await connection.execute(statement.format(**names))
        except asyncpg.UndefinedObjectError as error:
            raise ConfigurationError(f"{error}; make it first: create role {names['role']} login") from error
        except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedTableError) as error:
            raise ConfigurationError(f"{error}; run `cipherstream migrate` first") from error
        finally:
            await connection.close()
