"""What people see of the state, read from a real database."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from streams.adapters.postgres import life, migrate, pool
from streams.adapters.postgres.progress import Answer, Progress
from streams.devnet.stack import Stack
from streams.domain import rows
from streams.domain.control import detail_digest
from streams.domain.errors import StoreError
from streams.settings import PostgresSettings

pytestmark = pytest.mark.stack

TENANT = "12345.aa"
HANDLE = bytes.fromhex("ab" * 21 + "ff" + "00" * 6 + "3039" + "0500")
OTHER = bytes.fromhex("cd" * 32)
INPUT = bytes.fromhex("ef" * 21 + "01" + "00" * 6 + "3039" + "0500")
AT = datetime(2026, 1, 1, tzinfo=UTC)


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
        work_class={"squash": "sns", "compute": "tfhe", "proof": "zkproof"}.get(kind, "sender"),
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


def seconds(*names: str, after: int) -> dict[str, datetime]:
    """Times of an item's steps, one second apart."""
    return {f"{name}_at": AT + timedelta(seconds=after + place) for place, name in enumerate(names)}


def proof_subject(zk_proof_id: int) -> bytes:
    return zk_proof_id.to_bytes(32, "big") + b"\x09" * 32


async def requested(database: Any, zk_proof_id: int, handles: list[bytes]) -> None:
    """A list whose proof was verified, and whose answer is signed but not settled."""
    await insert(
        database,
        "verify_proofs",
        zk_proof_id=zk_proof_id,
        range_end=9,
        block_number=8,
        transaction_id=b"\x07" * 32,
        chain_id=12345,
        contract_address=b"\x01" * 20,
        user_address=b"\x02" * 20,
        input=b"list",
        extra_data=b"",
        state="verified",
        crs_id=b"\x01",
        verified=True,
        handles=handles,
        last_error="",
        seen_at=AT,
    )
    subject, proof, answer = proof_subject(zk_proof_id), f"p{zk_proof_id}", f"r{zk_proof_id}"
    times = seconds("created", "claimed", "dispatched", "started", "finished", after=1)
    await insert_item(database, proof, "proof", subject, "done", **times)
    times = seconds("created", "claimed", "dispatched", "started", after=6)
    await insert_item(database, answer, "proof_response", subject, "dispatched", **times)
    await database.execute(
        "insert into transactions (address, nonce, call_hash, item, tenant, to_address, data, gas, raw, hash,"
        " max_fee, priority_fee, earlier, state, signed_at)"
        " values ('a', $1, $2, $3, $4, '', '', 1, '', $5, 1, 1, '{}', 'signed', $6)",
        zk_proof_id,
        subject[:32],
        answer,
        TENANT,
        b"\x0a" * 32,
        AT + timedelta(seconds=10),
    )


async def computed(database: Any, fhe_type: int = 5) -> None:
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
        fhe_type=fhe_type,
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


async def test_the_life_of_an_input_goes_from_its_request_to_the_transaction_that_answers(
    database: Any,
) -> None:
    await requested(database, 300, [OTHER, INPUT])
    await requested(database, 301, [OTHER])  # somebody else's
    found = await life.read(database, INPUT)
    assert [(step.at - AT).total_seconds() for step in found.steps] == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10]
    assert [step.what for step in found.steps] == [
        "encrypted input, gateway block 8",
        *(f"proof {word}" for word in ("created", "claimed", "dispatched", "started")),
        "verdict: verified",
        "proof finished",
        *(f"proof_response {word}" for word in ("created", "claimed", "dispatched", "started")),
        "transaction signed",
    ]
    details = {step.what: step.detail for step in found.steps}
    assert details["proof created"] == "item p300, class zkproof"
    assert details["verdict: verified"] == "value 2 of 2"
    assert details["transaction signed"] == f"proof_response, 0x{'0a' * 32}, nonce 300"


async def test_steps_of_one_moment_are_told_as_they_follow_from_each_other(database: Any) -> None:
    await requested(database, 300, [INPUT])
    await database.execute(
        "update work_items set created_at = $1, claimed_at = $1,"
        " id = case kind when 'proof' then 'z' else 'a' end",
        AT,
    )
    told = [step.what for step in (await life.read(database, INPUT)).steps]
    assert told[1:4] == ["proof created", "proof claimed", "proof_response created"]


async def test_an_answer_that_waits_names_the_proof(database: Any) -> None:
    await requested(database, 300, [INPUT])
    await insert(database, "work_waits", item="r300", token=b"proof:p300")
    assert (await life.read(database, INPUT)).waits_for == ("proof p300",)


async def test_a_disputed_input_is_found_by_the_handles_that_the_gateway_named(database: Any) -> None:
    await requested(database, 300, [])
    await database.execute(
        "update verify_proofs set state = 'rejected', verified = false, last_error = 'InvalidInput: no',"
        " accepted = true, agreed = $1, standing = 'disputed'",
        [INPUT],
    )
    times = seconds("created", "claimed", after=20)
    await insert_item(database, "again", "proof_replay", proof_subject(300), "claimed", **times)
    await insert_item(database, "other", "proof_replay", proof_subject(300), "cancelled", **times)
    steps = (await life.read(database, INPUT)).steps
    assert steps[0].detail == "request 300, rejected InvalidInput: no, disputed with the gateway"
    assert [step.what for step in steps[-2:]] == ["proof_replay created", "proof_replay claimed"]


async def test_a_type_that_nobody_knows_is_told_as_its_number(database: Any) -> None:
    await computed(database, fhe_type=77)
    assert (await life.read(database, HANDLE)).steps[0].what == "Add -> type 77"


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


async def test_how_an_input_stands_with_the_gateway(database: Any) -> None:
    progress = Progress(database)
    assert await progress.answer(TENANT, 300) is None
    await requested(database, 300, [])
    found = await progress.answer(TENANT, 300)
    assert found == Answer(rows.Standing.OPEN, None, (), "")
    assert await progress.verification(TENANT, 300, "proof") == "p300"
    assert await progress.verification(TENANT, 300, "proof_replay") is None
    await database.execute(
        "update verify_proofs set standing = 'disputed', accepted = true, agreed = $1", [INPUT]
    )
    number = (300).to_bytes(32, "big")
    await insert(database, "alarms", kind="proof_disputed", subject=number, detail="why")
    for name, state in (("gone", "cancelled"), ("again", "ready")):
        await insert_item(database, name, "proof_replay", proof_subject(300), state)
    assert await progress.answer(TENANT, 300) == Answer(rows.Standing.DISPUTED, True, (INPUT,), "why")
    assert await progress.verification(TENANT, 300, "proof_replay") == "again"
    assert await progress.answer("12345.bb", 300) is None


async def test_alarms_are_counted_by_kind_and_divergences_with_them(database: Any) -> None:
    progress = Progress(database)
    assert await progress.alarms() == {}
    for subject in (HANDLE, OTHER):
        await insert(database, "alarms", kind="drift", subject=subject, detail="why")
    await insert(database, "divergences", kind="ct64", subject=HANDLE, other=b"other")
    assert await progress.alarms() == {(TENANT, "drift"): 2, (TENANT, "divergence_ct64"): 1}
    assert (await progress.counts()).alarms == 3


async def test_what_an_operator_acknowledged_is_counted_no_more(database: Any) -> None:
    progress = Progress(database)
    await insert(database, "alarms", kind="drift", subject=HANDLE, detail="why")
    await insert(database, "divergences", kind="ct64", subject=HANDLE, other=b"other")
    for kind, detail in (("drift", "why"), ("divergence_ct64", b"other".hex())):
        await database.execute(
            "insert into alarm_acknowledgements (tenant, kind, subject, detail_digest, reason, request)"
            " values ($1, $2, $3, $4, 'known', 'r')",
            *(TENANT, kind, HANDLE, detail_digest(detail)),
        )
    assert await progress.alarms() == {}
    assert (await progress.counts()).alarms == 0
    await database.execute("update alarms set detail = 'why else'")
    assert await progress.alarms() == {(TENANT, "drift"): 1}


async def test_what_a_process_has_in_hand_is_what_it_started_and_did_not_answer(database: Any) -> None:
    began = seconds("claimed", "dispatched", "started", after=0)
    again = {**began, "claimed_at": AT + timedelta(seconds=9)}  # the start was that of the attempt before
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "ready": ("ready", {}),
        "claimed": ("claimed", seconds("claimed", after=0)),
        "sent": ("dispatched", seconds("claimed", "dispatched", after=0)),
        "begun": ("dispatched", began),
        "early": ("claimed", seconds("claimed", "started", after=0)),  # told before the delivery report
        "done": ("done", began),
        "again": ("dispatched", again),
    }
    for name, (state, times) in asked.items():
        await insert_item(database, name, "compute", name.encode(), state, **times)
    await database.execute("update work_items set worker = 'tfhe-host-4711'")
    found = Progress(database)
    assert await found.in_hand("tfhe", 4711) == 2
    assert await found.in_hand("tfhe", 711) == 0  # the end of another number
    assert await found.in_hand("sns", 4711) == 0


async def test_a_stored_ciphertext_is_read(database: Any) -> None:
    await computed(database)
    progress = Progress(database)
    assert await progress.ciphertext(HANDLE) == b"bytes"
    with pytest.raises(StoreError, match="no ciphertext yet"):
        await progress.ciphertext(OTHER)


async def test_who_uses_a_handle_is_part_of_its_life(database: Any) -> None:
    await insert(
        database,
        "computations",
        output_handle=HANDLE,
        transaction_id=b"\x02" * 32,
        block_hash=b"\x01" * 32,
        log_index=3,
        fhe_operation=0,
        dependencies=[OTHER, INPUT],
        is_scalar=False,
        fhe_type=5,
        caller=b"\x03" * 20,
    )
    for used in (OTHER, INPUT):
        (step,) = (await life.read(database, used)).steps
        assert (step.what, step.detail) == ("used", f"Add -> 0x{HANDLE.hex()}, block None (unknown)")
