"""What people see of the state, read from a real database."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from streams.adapters.postgres import life, migrate, pool
from streams.adapters.postgres.progress import Progress
from streams.devnet.stack import Stack
from streams.domain.errors import StoreError
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack

TENANT = "12345.aa"
HANDLE = bytes.fromhex("ab" * 21 + "ff" + "00" * 6 + "3039" + "0500")
OTHER = bytes.fromhex("cd" * 32)


@pytest_asyncio.fixture
async def database(stack: Stack) -> AsyncIterator[Any]:
    schema = f"life_{uuid.uuid4().hex[:12]}"
    await migrate.migrate(stack.postgres_url, schema)
    settings = PostgresSettings(url=SecretStr(stack.postgres_url), schema=schema)
    connections = await pool.open_pool(settings, 1)
    yield connections
    await connections.close()


async def insert(database: Any, table: str, **columns: Any) -> None:
    names = ", ".join(columns)
    places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await database.execute(
        f"insert into {table} (shard, tenant, {names}) values (0, '{TENANT}', {places})", *columns.values()
    )


async def insert_item(
    database: Any, name: str, kind: str, subject: bytes, state: str, **columns: Any
) -> None:
    await insert(
        database,
        "work_items",
        id=name,
        work_class={"squash": "sns", "compute": "tfhe"}.get(kind, "sender"),
        kind=kind,
        subject=subject,
        affinity=b"",
        contract=b"",
        cost_ms=1,
        state=state,
        priority=0,
        missing=0,
        key_id=b"",
        cause="",
        attempt=1,
        uncomputable_counter=0,
        not_before_ms=0,
        deadline_ms=0,
        epoch=1,
        worker="w1",
        partition=0,
        **columns,
    )


async def computed(database: Any) -> None:
    """A handle that was computed and waits to be squashed."""
    block = b"\x01" * 32
    await insert(
        database,
        "blocks",
        hash=block,
        parent_hash=b"",
        number=7,
        timestamp=0,
        status="canonical",
        sequence=1,
    )
    await insert(
        database,
        "computations",
        output_handle=HANDLE,
        transaction_id=b"\x02" * 32,
        block_hash=block,
        log_index=3,
        fhe_operation=0,
        dependencies=[OTHER, OTHER],
        is_scalar=False,
        fhe_type=5,
        caller=b"\x03" * 20,
    )
    await insert(
        database,
        "handles",
        handle=HANDLE,
        fhe_type=5,
        operation_digest=b"",
        reasons=1,
        compute_item="c1",
        followed=True,
        key_id=b"\x04",
        ct64_digest=b"\x05" * 32,
        ct128_digest=b"",
        is_input=False,
    )
    await insert(
        database,
        "ciphertexts",
        handle=HANDLE,
        fhe_type=5,
        key_id=b"\x04",
        ciphertext=b"bytes",
        is_input=False,
    )
    await insert_item(database, "c1", "compute", OTHER, "done")
    await insert_item(database, "s1", "squash", HANDLE, "dispatched")
    await insert_item(database, "a1", "add_material", HANDLE, "blocked")
    await insert(database, "work_waits", item="a1", token=b"squashed:" + HANDLE)


async def test_a_life_is_told_in_the_order_of_time(database: Any) -> None:
    await computed(database)
    found = await life.read(database, HANDLE)
    assert [step.at for step in found.steps] == sorted(step.at for step in found.steps)
    told = [step.what for step in found.steps]
    assert told[0] == "Add -> UINT64"
    assert "ciphertext stored" in told
    assert {"compute created", "squash created", "add_material created"} <= set(told)
    assert "block 7 (canonical)" in found.steps[0].detail


async def test_what_is_waited_for_is_named(database: Any) -> None:
    await computed(database)
    found = await life.read(database, HANDLE)
    assert found.waits_for == (f"squashed 0x{HANDLE.hex()}",)


async def test_a_handle_that_nobody_knows_has_no_steps(database: Any) -> None:
    assert (await life.read(database, OTHER)).steps == ()


async def test_progress_counts(database: Any) -> None:
    await computed(database)
    progress = Progress(database)
    counts = await progress.counts()
    assert (counts.blocks, counts.wanted, counts.computed, counts.squashed) == (1, 1, 1, 0)
    queues = {
        queue.work_class: (queue.waiting, queue.in_flight, queue.done) for queue in await progress.queues()
    }
    assert queues == {"tfhe": (0, 0, 1), "sns": (0, 1, 0), "sender": (1, 0, 0)}


async def test_steps_of_some_handles(database: Any) -> None:
    await computed(database)
    steps = await Progress(database).steps([HANDLE, OTHER])
    assert (steps.known, steps.computed, steps.squashed) == (1, 1, 0)


async def test_a_stored_ciphertext_is_read(database: Any) -> None:
    await computed(database)
    progress = Progress(database)
    assert await progress.ciphertext(HANDLE) == b"bytes"
    with pytest.raises(StoreError, match="no ciphertext yet"):
        await progress.ciphertext(OTHER)
