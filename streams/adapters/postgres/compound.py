"""Several statements sent as one: a round trip costs more than what most of them do.

The parameters of each come behind those of the statements before it.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from streams.adapters.postgres import pool, queries

_SQL: Final = queries.load("compound.sql")
_PARAMETER: Final = re.compile(r"\$(\d+)")
_KEPT: Final = 512  # texts; which tables go together varies little

Part = tuple[str, Sequence[Any]]  # a statement and its arguments


async def fetch(connection: pool.Connection, parts: Sequence[Part]) -> list[Any]:
    """Rows of queries that have the same columns; `part` says whose each row is, from 0."""
    if not parts:
        return []
    return await connection.fetch(_union(tuple(text for text, _ in parts)), *_arguments(parts))


async def execute(connection: pool.Connection, parts: Sequence[Part]) -> None:
    """Change what all of them change; none sees what another does, and no two may touch the same row."""
    if parts:
        await connection.execute(_together(tuple(text for text, _ in parts)), *_arguments(parts))


def _arguments(parts: Sequence[Part]) -> Iterator[Any]:
    return (argument for _, arguments in parts for argument in arguments)


@functools.lru_cache(_KEPT)
def _union(statements: tuple[str, ...]) -> str:
    arms = (_SQL["rows_of"].format(part=at, query=text) for at, text in enumerate(_renumbered(statements)))
    return "\nunion all\n".join(arms)


@functools.lru_cache(_KEPT)
def _together(statements: tuple[str, ...]) -> str:
    parts = (f"part_{at} as (\n{text}\n)" for at, text in enumerate(_renumbered(statements)))
    return f"with {', '.join(parts)}\nselect 1"


def _renumbered(statements: Sequence[str]) -> Iterator[str]:
    taken = 0
    for statement in statements:
        yield _shifted(statement.removesuffix(";"), taken)
        taken += max((int(number) for number in _PARAMETER.findall(statement)), default=0)


def _shifted(statement: str, by: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", statement)
