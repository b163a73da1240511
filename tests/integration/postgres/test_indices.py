"""The queries that the services run find their rows by the named indices, among a million."""

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import million_rows
import pytest
from port_contracts.store import work

from streams.adapters.postgres import pool, queries
from streams.adapters.postgres.store import PostgresStore
from streams.bench import traffic
from streams.domain.decide import Rules, decide_fact
from streams.domain.rows import TABLES, MemberRow, WorkRow
from streams.domain.state import Changes, Read, State
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack

STORE, LIFE, ROWS = queries.load("store.sql"), queries.load("life.sql"), queries.load("rows.sql")
NOW_MS = 1000
MOST = 10**9  # in flight
KEY_IDS = [b"", b"k", b"l"]
ALIVE = [f"w{at}" for at in range(7)]


class Case(NamedTuple):
    """A query as it is run, and the index that must answer it."""

    sql: str
    arguments: tuple[Any, ...]
    index: str


CASES = {
    "ready": Case(STORE["ready"], (3, "publish", NOW_MS, 64, ["t4"], MOST, None), "idx_schedule_order"),
    "keyed": Case(STORE["ready"], (3, "publish", NOW_MS, 64, [], MOST, KEY_IDS), "idx_schedule_order"),
    "demand": Case(STORE["demand"], (NOW_MS, ALIVE, ["t4"], [], [], 16), "idx_pending_tasks"),
    "weighed": Case(STORE["demand"], (NOW_MS, ALIVE, [], ["publish/t1"], [64], 16), "idx_pending_tasks"),
    "in_flight": Case(STORE["ready"], (3, "publish", NOW_MS, 64, [], MOST, None), "work_items_in_flight"),
    "outstanding": Case(STORE["outstanding"], (), "work_items_in_flight"),
    "late": Case(STORE["late"], (3, NOW_MS, ALIVE), "work_items_in_flight"),
    "reclaim": Case(STORE["reclaim"], (3, 9), "work_items_in_flight"),
    "unsent": Case(STORE["unsent"], (), "idx_ciphertext_digest_unsent"),
    "calls": Case(STORE["unsent"], (), "idx_unsent_calls"),
    "digests": Case(LIFE["digests"], (million_rows.handle(77),), "idx_ciphertext_digest_handle"),
    "uses": Case(LIFE["uses"], (million_rows.handle(80),), "idx_computations_dependencies"),
}
# Whole indices that are searched by their first columns.
COLUMNS = """
select t.relname as place, array(
  select a.attname::text from unnest(i.indkey::int2[]) with ordinality as k(number, at)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number order by k.at
) as columns
from pg_index i
join pg_class t on t.oid = i.indrelid
join pg_class c on c.oid = i.indexrelid
join pg_am m on m.oid = c.relam and m.amname = 'btree'
where i.indpred is null and t.relnamespace = current_schema()::regnamespace
"""
# Of many items, or the planner would prefer a plan of its own for each question.
LOOK_UPS = [
    Read(table, columns, (traffic.TENANT, f"item {at}"))
    for table, columns in ((WorkRow, WorkRow.KEY), (MemberRow, ("tenant", "item")))
    for at in range(20)
]
# The command that shows the plan of the statement that these look-ups are sent as.
KEPT_PLAN = """
select format('explain (format json) execute %I(%s)', name, (
  select string_agg(format('%L::%s', '{none}', each), ', ' order by at)
  from unnest(parameter_types) with ordinality as p(each, at)
))
from pg_prepared_statements where cardinality(parameter_types) > 0
  and statement like '%from work_items as o%from work_members as o%'
"""
NOT_SORTED = ("ready", "keyed", "demand", "weighed")  # they are read in the order of the index


async def test_every_query_of_the_queue_has_its_index(postgres: PostgresSettings) -> None:
    connections = await pool.open_pool(postgres, 1)
    async with connections.acquire(timeout=None) as connection:
        await million_rows.fill(connection)
        plans = {name: await plan(connection, case) for name, case in CASES.items()}
        ready = await connection.fetch(CASES["ready"].sql, *CASES["ready"].arguments)
        uses = await connection.fetch(CASES["uses"].sql, *CASES["uses"].arguments)
        unsent = await connection.fetchrow(CASES["unsent"].sql)
        await connection.execute(f"drop schema {postgres.schema_name} cascade")
    await connections.close()
    wrong = {name: plan for name, plan in plans.items() if CASES[name].index not in indices(plan)}
    assert wrong == {}
    scanned = {name: tables(plan) & set(million_rows.TABLES) for name, plan in plans.items()}
    assert {name for name, found in scanned.items() if found} == set()
    assert [name for name in NOT_SORTED if sorts(plans[name])] == []
    items = [row for row in ready if row["id"] is not None]
    assert (len(items), len(uses), *unsent) == (64, 20, 2000, 0, 0)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_an_owner_looks_rows_up_one_by_one_in_tables_that_are_small(
    store: PostgresStore, mode: str
) -> None:
    state = State(complete=True)
    for fact in traffic.blocks(6, 9):
        decide_fact(state, traffic.TENANT, fact, Rules())
    claim = await store.claim(0, "me", {})
    async with store.begin(0, claim.epoch) as tx:
        await tx.write(state.changes())
    asked = [name for name in ROWS if name.startswith(("load_", "delete_"))]
    async with store.pool.acquire() as connection:
        await connection.execute(f"analyze; set plan_cache_mode = {mode}")
        plans = {name: await plan(connection, await _asked(connection, ROWS[name])) for name in asked}
    assert {name for name, found in plans.items() if whole(found)} == set()


async def test_plans_made_for_tables_without_rows_do_not_outlive_that(postgres: PostgresSettings) -> None:
    opened = await PostgresStore.open(postgres, connections=1)
    claim = await opened.claim(0, "me", {})
    async with opened.pool.acquire() as connection:
        await connection.execute("vacuum analyze")
    state = State(complete=True)
    for fact in traffic.blocks(10, 9):
        decide_fact(state, traffic.TENANT, fact, Rules())
    changes = state.changes()
    # Until the planner has one plan for all arguments, and then with many rows.
    for at in range(12):
        async with opened.begin(0, claim.epoch) as tx:
            await tx.load(LOOK_UPS)
            if at == 9:
                await tx.write(changes)
    async with opened.pool.acquire() as connection:
        found = await connection.fetchval(KEPT_PLAN)
        plan = json.loads(await connection.fetchval(found))[0]["Plan"]
    await opened.close()
    assert {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node} == {
        read.table.TABLE for read in LOOK_UPS
    }
    assert [node for node in nodes(plan) if "Filter" in node] == []


async def test_items_of_a_key_set_that_nobody_has_are_not_walked_through(store: PostgresStore) -> None:
    epoch = (await store.claim(0, "me", {})).epoch
    stuck = [work(f"a{at}", key_id=b"old") for at in range(20_000)]
    others = [work(f"b{at}", key_id=b"new", contract=bytes([1 + at % 30]) * 20) for at in range(600)]
    async with store.begin(0, epoch) as tx:
        await tx.write(Changes({WorkRow: [*stuck, *others]}, {}))
    place = (0, "tfhe", NOW_MS, 64, [], MOST, [b"", b"new"])
    async with store.pool.acquire() as connection:
        await connection.execute("analyze")
        explained = f"explain (analyze, format json) {STORE['ready']}"
        found = json.loads(await connection.fetchval(explained, *place))[0]["Plan"]
    walked = sum(_walked(node) for node in nodes(found) if "Index Name" in node)
    assert len(others) <= walked < 2 * len(others)


def _walked(node: dict[str, Any]) -> int:
    """Rows that a step looked at."""
    return node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))


async def _asked(connection: Any, sql: str) -> Case:
    """The statement for ninety keys that nobody has."""
    parameters = (await connection.prepare(sql)).get_parameters()
    one = {"text": "none", "bytea": b"none", "int4": 0, "int8": 0, "bool": False}
    values = [one[each.name.removesuffix("[]")] for each in parameters]
    return Case(sql, tuple([value] * 90 for value in values), "")


async def test_every_look_up_of_a_decision_has_an_index_that_begins_with_its_columns(
    postgres: PostgresSettings,
) -> None:
    connections = await pool.open_pool(postgres, 1)
    async with connections.acquire(timeout=None) as connection:
        found = await connection.fetch(COLUMNS)
    await connections.close()
    indexed = [(row["place"], tuple(row["columns"])) for row in found]
    look_ups = [(table.TABLE, by) for table in TABLES for by in (table.KEY, *table.INDEXES)]
    assert [up for up in look_ups if not any(_serves(up, *index) for index in indexed)] == []


def _serves(look_up: tuple[str, tuple[str, ...]], place: str, columns: tuple[str, ...]) -> bool:
    """Whether the index's first columns, and not the tenant alone, are among those that are asked by."""
    table, by = look_up
    first = set(itertools.takewhile(by.__contains__, columns))
    return place == table and bool(first - {"tenant"} if len(by) > 1 else first)


async def plan(connection: Any, case: Case) -> dict[str, Any]:
    """What the planner does with the query and these arguments."""
    found = await connection.fetchval(f"explain (format json) {case.sql}", *case.arguments)
    return json.loads(found)[0]["Plan"]


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def indices(plan: dict[str, Any]) -> set[str]:
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def sorts(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Steps that sort more than what is given in the end."""
    below = plan.get("Plans", ()) if plan["Node Type"] == "Sort" else (plan,)
    return [node for step in below for node in nodes(step) if node["Node Type"] == "Sort"]


def whole(plan: dict[str, Any]) -> list[str]:
    """Tables and indices that are read from one end to the other."""
    read = [node for node in nodes(plan) if "Index Name" in node and "Index Cond" not in node]
    return [*tables(plan), *(node["Index Name"] for node in read)]


def tables(plan: dict[str, Any]) -> set[str]:
    """Tables that are read whole."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"].endswith("Seq Scan")}
