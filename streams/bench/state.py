"""Rows into Postgres, as the graph stores them: one transaction per batch of blocks, one connection."""

from collections.abc import Callable, Sequence
from typing import Final

from streams.adapters.postgres.store import PostgresStore
from streams.bench import traffic
from streams.bench.deployment import deployed
from streams.bench.report import Figure, Report
from streams.devnet import postgres
from streams.domain.decide import Rules, decide_fact
from streams.domain.rows import Row
from streams.domain.state import Changes, State
from streams.settings import PostgresSettings

UPSERTS_PER_S: Final = 40_000
_SHARD: Final = 0
_BLOCKS: Final = 16  # of one transaction
_TRANSFERS: Final = 9  # of one block: 54 operations

Rows = dict[type[Row], list[Row]]


async def measure(rows: int, clock: Callable[[], float]) -> Report:
    """Store the rows of as many blocks as that takes, then each of them once more with other content."""
    batches = _batches(rows)
    count = sum(len(found) for batch in batches for found in batch.values())
    async with deployed((postgres.NAME,)) as deployment:
        settings = PostgresSettings.model_validate({"url": deployment.servers.postgres_url})
        store = await PostgresStore.open(settings)
        try:
            claim = await store.claim(_SHARD, "bench", {})
            new_s = await _write(store, claim.epoch, [Changes({}, {}, batch) for batch in batches], clock)
            again_s = await _write(store, claim.epoch, [Changes(batch, {}) for batch in batches], clock)
            stored = await store.pool.fetchval("select count(*) from handles")
        finally:
            await store.close()
    return Report(
        bench="state",
        setting={"rows": count, "transactions": len(batches), "handles": stored},
        figures=(
            Figure(
                name="rows, new and changed",
                value=round(2 * count / (new_s + again_s)),
                unit="rows/s",
                at_least=UPSERTS_PER_S,
            ),
            Figure(name="new rows", value=round(count / new_s), unit="rows/s"),
            Figure(name="changed rows", value=round(count / again_s), unit="rows/s"),
        ),
    )


def _batches(rows: int) -> list[Rows]:
    """What blocks of transfers make, until there are as many rows as asked for."""
    batches: list[Rows] = []
    state, first, count = State(complete=True), 0, 0
    while count < rows:
        before = state.changes()
        for block in traffic.blocks(_BLOCKS, _TRANSFERS, first):
            decide_fact(state, traffic.TENANT, block, Rules())
        after = state.changes()
        batch = _since(before.created, after.created)
        for table, found in _since(before.written, after.written).items():
            batch.setdefault(table, []).extend(found)
        batches.append(batch)
        first += _BLOCKS
        count += sum(map(len, batch.values()))
    return batches


def _since(before: Rows, after: Rows) -> Rows:
    """Rows that came behind those that were there."""
    new = {table: found[len(before.get(table, ())) :] for table, found in after.items()}
    return {table: found for table, found in new.items() if found}


async def _write(
    store: PostgresStore, epoch: int, batches: Sequence[Changes], clock: Callable[[], float]
) -> float:
    started = clock()
    for changes in batches:
        async with store.begin(_SHARD, epoch) as tx:
            await tx.write(changes)
    return clock() - started
