"""Several statements become one, and each keeps its own parameters."""

from typing import Any

import pytest

from streams.adapters.postgres import compound


class Connection:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        self.asked.append((query, arguments))
        return ["row"]

    async def execute(self, query: str, *arguments: Any) -> None:
        self.asked.append((query, arguments))


@pytest.fixture
def connection() -> Connection:
    return Connection()


async def test_queries_become_a_union_that_says_whose_each_row_is(connection: Connection) -> None:
    parts = [("select $2, $1 from a;", (1, 2)), ("select 3;", ()), ("select $1 from b;", (4,))]
    assert await compound.fetch(connection, parts) == ["row"]
    ((query, arguments),) = connection.asked
    assert " ".join(query.split()) == (
        "select 0 as part, each.* from ( select $2, $1 from a ) as each union all "
        "select 1 as part, each.* from ( select 3 ) as each union all "
        "select 2 as part, each.* from ( select $3 from b ) as each"
    )
    assert arguments == (1, 2, 4)


async def test_changes_become_parts_of_one_statement(connection: Connection) -> None:
    parts = [("delete from a where b = $1;", (1,)), ("insert $1, $2, $10;", (2, 3))]
    await compound.execute(connection, parts)
    ((statement, arguments),) = connection.asked
    assert " ".join(statement.split()) == (
        "with part_0 as ( delete from a where b = $1 ), part_1 as ( insert $2, $3, $11 ) select 1"
    )
    assert arguments == (1, 2, 3)


async def test_nothing_to_do_is_no_round_trip(connection: Connection) -> None:
    assert await compound.fetch(connection, []) == []
    await compound.execute(connection, [])
    assert connection.asked == []
