import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from streams.adapters.system import SystemClock
from streams.devnet.processes import identify
from streams.domain.errors import (
    Fatal,
    InvalidInput,
    Irrecoverable,
    KeyMaterialError,
    KeyMissing,
    OperationError,
    Undecodable,
    WorkerCrashed,
)
from streams.domain.results import Ciphertext
from streams.domain.work import ProofWork, SquashWork
from streams.services.worker import frames, process
from streams.services.worker.pool import START_TIMEOUT_S, Pool
from tests.unit.worker.odd_child import NEVER_KEY

COMMAND = (sys.executable, "-m", "tests.unit.worker.odd_child", "--kind", "odd", "--threads", "2")
MEMORY_BYTES_MAX = 300 << 20


def item(verb: str, timeout_s: float = 60.0, key_id: bytes = bytes(32)) -> SquashWork:
    ciphertext = Ciphertext(handle=bytes(32), fhe_type=5, ct64=verb.encode())
    return SquashWork(
        item=verb, tenant="t", attempt=0, timeout_s=timeout_s, key_id=key_id, ciphertext=ciphertext
    )


async def answer(pool: Pool, verb: str, timeout_s: float = 60.0) -> bytes:
    reply = await pool.execute(item(verb, timeout_s), lambda _: None)
    assert isinstance(reply, frames.Squashing)
    return reply.ct128


@contextlib.asynccontextmanager
async def running(
    memory_bytes_max: int = MEMORY_BYTES_MAX,
    flags: tuple[str, ...] = (),
    on_counts: Callable[[frames.Counts], None] = lambda _: None,
    on_state: Callable[[bool, str], None] = lambda _ok, _detail: None,
    crowd: float = 1.0,
) -> AsyncIterator[Pool]:
    command = (*COMMAND, "--memory-bytes", str(memory_bytes_max), *flags)
    pool = Pool(
        command,
        SystemClock(),
        memory_bytes_max=memory_bytes_max,
        crowd=crowd,
        on_counts=on_counts,
        on_state=on_state,
    )
    task = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        await pool.stop()
        await task


async def test_an_item_is_answered_and_its_outputs_come_before() -> None:
    outputs: list[Ciphertext] = []
    async with running() as pool:
        reply = await pool.execute(item("echo hello"), outputs.append)
    assert reply == frames.Squashing(2, b"hello", 11)  # 1 was its preparation
    assert [output.ct64 for output in outputs] == [b"echo hello"]


@pytest.mark.parametrize("verb", ["crash", "exit"])
async def test_an_item_that_kills_its_child_fails_alone_and_the_next_one_is_computed(verb: str) -> None:
    async with running() as pool:
        with pytest.raises(WorkerCrashed, match="it ended with"):
            await answer(pool, verb)
        assert await answer(pool, "echo after") == b"after"


async def test_a_hanging_item_is_killed_at_its_time_limit_and_its_neighbour_is_computed_again(
    tmp_path: Path,
) -> None:
    async with running() as pool:
        neighbour = asyncio.create_task(answer(pool, f"hang_once {tmp_path / 'ran'}"))
        with pytest.raises(WorkerCrashed, match="no answer within 1 s"):
            await answer(pool, "hang", timeout_s=1)
        assert await neighbour == b"second life"


async def test_who_hangs_is_not_blamed_on_the_first_whose_time_is_up(tmp_path: Path) -> None:
    """As in a batch: the neighbour began first, or has less time, and waits for the one that hangs."""
    deaths: list[str] = []
    async with running(on_state=lambda is_ok, detail: None if is_ok else deaths.append(detail)) as pool:
        neighbour = asyncio.create_task(answer(pool, f"hang_once {tmp_path / 'ran'}", timeout_s=1))
        with pytest.raises(WorkerCrashed, match=r"no answer within 1\.5 s"):
            await answer(pool, "hang", timeout_s=1.5)
        assert await neighbour == b"second life"
        assert await answer(pool, "echo after") == b"after"
    assert deaths == ["no answer within 1 s", "no answer within 1.5 s"]


@pytest.mark.parametrize(
    ("ages_s", "suspects"),
    [
        ({1: 60.0}, {1}),
        ({1: 60.0, 2: 59.0, 3: 30.0, 4: 29.0}, {1, 2, 3}),
        ({1: 60.0, 2: 500.0}, {1, 2}),  # it has more time, and hangs perhaps
        ({2: 500.0}, {1}),  # opening keys is in no batch
    ],
)
def test_who_came_long_after_what_is_late_is_no_suspect(ages_s: dict[int, float], suspects: set[int]) -> None:
    assert process.stuck(ages_s, late=1) == suspects


async def test_on_a_slow_machine_an_item_has_more_time(tmp_path: Path) -> None:
    async with running() as pool:
        assert pool.limit_s(60) == 60
        await pool.open_keys(b"key", tmp_path / "slow")
        assert pool.limit_s(60) == pytest.approx(180)
        with pytest.raises(WorkerCrashed, match=r"no answer within 0\.3 s"):
            await answer(pool, "hang", timeout_s=0.1)


async def test_items_that_share_threads_have_the_time_of_all_of_them() -> None:
    async with running(crowd=16) as pool:
        assert pool.limit_s(60) == 960
    async with running(crowd=0.5) as pool:
        assert pool.limit_s(60) == 60


async def test_a_suspect_that_runs_alone_has_its_own_time_only() -> None:
    deaths: list[str] = []
    async with running(
        crowd=2, on_state=lambda is_ok, detail: None if is_ok else deaths.append(detail)
    ) as pool:
        hung = (answer(pool, "hang", timeout_s=0.5) for _ in range(2))
        outcomes = await asyncio.gather(*hung, return_exceptions=True)
        assert await answer(pool, "echo after") == b"after"
    assert [type(each) for each in outcomes] == [WorkerCrashed] * 2
    assert deaths == ["no answer within 1 s", *("no answer within 0.5 s",) * 2]


async def test_health_says_why_a_child_died() -> None:
    told: list[tuple[bool, str]] = []
    async with running(on_state=lambda is_ok, detail: told.append((is_ok, detail))) as pool:
        with pytest.raises(WorkerCrashed):
            await answer(pool, "crash")
        await answer(pool, "echo after")
    assert [detail for is_ok, detail in told if not is_ok] == ["it ended with signal 6"]


async def test_a_child_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = (
        "CIPHERSTREAM_SIGNER__PRIVATE_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_URL",
        "OTEL_EXPORTER_OTLP_HEADERS",
    )
    for name in (*secrets, "ODD_VARIABLE"):
        monkeypatch.setenv(name, "told")
    async with running() as pool:
        found = {name: await answer(pool, f"environ {name}") for name in (*secrets, "ODD_VARIABLE")}
    assert found == dict.fromkeys(secrets, b"") | {"ODD_VARIABLE": b"told"}


async def test_libraries_of_a_child_start_no_threads() -> None:
    async with running() as pool:
        assert await answer(pool, "environ OPENBLAS_NUM_THREADS") == b"1"


async def test_an_item_that_no_frame_can_hold_fails_alone() -> None:
    endless = ProofWork(
        item="p", tenant="t", attempt=0, timeout_s=60, key_id=bytes(32), crs_id=bytes(32),
        zk_proof_id=1 << 70, chain_id=1, acl_address=b"", contract_address=b"", user_address=b"",
        ciphertext_with_proof=b"x",
    )  # fmt: skip
    async with running() as pool:
        outcomes = await asyncio.gather(
            answer(pool, "echo a"),
            pool.execute(endless, lambda _: None),
            answer(pool, "echo b"),
            return_exceptions=True,
        )
    assert (outcomes[0], outcomes[2]) == (b"a", b"b")
    assert isinstance(outcomes[1], Undecodable)


async def test_nobody_knows_who_crashed_so_each_runs_alone_and_only_the_culprit_fails(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    async with running() as pool:
        neighbour = asyncio.create_task(answer(pool, f"hang_once {marker}"))
        with pytest.raises(WorkerCrashed, match="signal 6"):
            await answer(pool, f"crash_beside {marker}")
        assert await neighbour == b"second life"


async def test_a_child_that_takes_too_much_memory_is_killed() -> None:
    async with running(memory_bytes_max=120 << 20) as pool:
        with pytest.raises(WorkerCrashed, match=r"MiB, 120 are allowed"):
            await answer(pool, "eat 400")
        assert await answer(pool, "echo lean") == b"lean"


@pytest.mark.parametrize(
    ("verb", "kind", "text"),
    [
        ("fail InvalidInput not a proof", InvalidInput, "not a proof"),
        ("fail OperationError unknown", OperationError, "unknown"),
        ("refuse too much noise", Irrecoverable, "too much noise"),
        ("finer_fatal away with it", Fatal, "away with it"),
        ("panic", WorkerCrashed, "Panic: index out of bounds"),
        ("starve", WorkerCrashed, "MemoryError"),
        ("nonsense", WorkerCrashed, "AttributeError"),
    ],
)
async def test_an_error_keeps_its_class_and_a_panic_is_a_crash(
    verb: str, kind: type[Exception], text: str
) -> None:
    async with running() as pool:
        with pytest.raises(kind, match=text):
            await answer(pool, verb)
        assert await answer(pool, "echo still here") == b"still here"


async def test_a_new_child_has_the_keys_of_the_old_one(tmp_path: Path) -> None:
    async with running() as pool:
        await pool.open_keys(b"key", tmp_path)
        await pool.open_crs(b"crs", tmp_path)
        with pytest.raises(WorkerCrashed):
            await answer(pool, "crash")
        assert await answer(pool, "keys") == b"KEYCRS!"


async def test_a_new_child_loads_only_the_newest_and_knows_the_others(tmp_path: Path) -> None:
    async with running() as pool:
        await pool.open_keys(b"a", tmp_path)
        await pool.open_keys(b"b", tmp_path)
        await pool.open_keys(b"c", tmp_path, at_once=False)
        with pytest.raises(WorkerCrashed):
            await answer(pool, "crash")
        assert await answer(pool, "keys") == b"aBc!"


async def test_a_key_that_never_opened_does_not_keep_the_others_from_a_new_child(tmp_path: Path) -> None:
    async with running() as pool:
        await pool.open_keys(b"good", tmp_path)
        with pytest.raises(WorkerCrashed, match="no space"):
            await pool.open_keys(b"new", tmp_path / "full")
        with pytest.raises(WorkerCrashed):
            await answer(pool, "crash")
        assert await answer(pool, "keys") == b"good!"


async def test_an_item_is_prepared_for_before_its_time_begins() -> None:
    async with running() as pool:
        assert await answer(pool, "keys") == b"!"
        with pytest.raises(KeyMissing, match="no such key"):
            await pool.execute(item("echo", key_id=NEVER_KEY), lambda _: None)


async def test_a_bad_key_file_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="cut"):
        async with running() as pool:
            await pool.open_keys(b"key", tmp_path / "cut")


async def test_a_key_file_that_is_bad_for_a_running_child_is_fatal_too(tmp_path: Path) -> None:
    async with running() as pool:
        await answer(pool, "echo up")
        with pytest.raises(KeyMaterialError, match="cut"):
            await pool.open_keys(b"key", tmp_path / "cut")


async def test_a_stopped_pool_leaves_no_child_behind() -> None:
    async with running() as pool:
        pid = int(await answer(pool, "pid"))
        assert pool.pid == pid
    assert identify(pid) is None


async def test_what_would_exhaust_the_machine_at_once_is_refused_and_the_child_lives() -> None:
    async with running(memory_bytes_max=120 << 20) as pool:
        pid = await answer(pool, "pid")
        with pytest.raises(WorkerCrashed, match="MemoryError"):
            await answer(pool, "gulp 3000")
        assert await answer(pool, "pid") == pid


async def test_items_that_come_together_are_prepared_for_once() -> None:
    async with running() as pool:
        echoes = await asyncio.gather(*(answer(pool, f"echo {number}") for number in range(20)))
        assert echoes == [str(number).encode() for number in range(20)]
        assert await answer(pool, "keys") == b"!!"  # once for all of them, once for this one


async def test_in_a_batch_only_the_items_that_are_at_fault_fail() -> None:
    async with running() as pool:
        verbs = ("echo a", "fail OperationError bad", "panic", "fail InvalidInput no", "echo b")
        outcomes = await asyncio.gather(*(answer(pool, verb) for verb in verbs), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [
        bytes,
        OperationError,
        WorkerCrashed,
        InvalidInput,
        bytes,
    ]


@pytest.mark.parametrize("policy", ["parallel", "sequential"])
async def test_of_a_batch_that_kills_the_child_the_others_are_computed(policy: str) -> None:
    async with running(flags=("--policy", policy)) as pool:
        verbs = ("echo a", "echo b", "crash", "echo c", "echo d")
        outcomes = await asyncio.gather(*(answer(pool, verb) for verb in verbs), return_exceptions=True)
    culprit = outcomes.pop(2)
    assert isinstance(culprit, WorkerCrashed)
    assert outcomes == [b"a", b"b", b"c", b"d"]


async def test_items_run_beside_each_other_or_one_after_the_other() -> None:
    async with running() as pool:
        assert await asyncio.gather(answer(pool, "meet"), answer(pool, "meet")) == [b"met", b"met"]
    async with running(flags=("--policy", "sequential")) as pool:
        beside = await asyncio.gather(*(answer(pool, "beside") for _ in range(6)))
        assert beside == [b"0"] * 6


async def test_the_time_of_an_item_begins_with_its_turn() -> None:
    async with running(flags=("--policy", "sequential")) as pool:
        first = asyncio.create_task(answer(pool, "hang", timeout_s=3))
        second = asyncio.create_task(answer(pool, "echo later", timeout_s=2.5))
        with pytest.raises(WorkerCrashed, match="no answer within 3 s"):
            await first
        assert await second == b"later"


async def test_a_child_that_takes_nothing_up_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BEGIN_TIMEOUT_S", 1.0)
    child = await process.start_child(COMMAND, MEMORY_BYTES_MAX)
    await child.ready(START_TIMEOUT_S)
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(process.ChildLost, match="did not begin within 1 s"):
        await child.run(item("echo"), 60, lambda _: None)
    assert await child.ended() == "an item did not begin within 1 s"


async def test_what_is_at_hand_is_counted_over_all_children() -> None:
    told: list[frames.Counts] = []
    async with running(on_counts=told.append) as pool:
        await answer(pool, "echo")
        with pytest.raises(WorkerCrashed):
            await answer(pool, "crash")
        await answer(pool, "echo")
    assert sum(counts.key_hits for counts in told) == 3


async def test_an_asker_that_goes_away_leaves_the_others_their_answer() -> None:
    async with running() as pool:
        await answer(pool, "echo up")
        first = asyncio.create_task(answer(pool, "echo first"))
        second = asyncio.create_task(answer(pool, "echo second"))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"second"


PARENT = """
import asyncio, structlog, sys
from streams.adapters.system import SystemClock
from streams.services.worker.pool import Pool
from tests.unit.worker.test_worker_pool import answer

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    pool = Pool(sys.argv[1:], SystemClock(), memory_bytes_max=1 << 30)
    running = asyncio.create_task(pool.run())
    print((await answer(pool, "pid")).decode(), flush=True)
    await answer(pool, "hang", timeout_s=600)

asyncio.run(main())
"""


def test_a_child_dies_with_its_parent() -> None:
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        (sys.executable, "-c", PARENT, *COMMAND), stdout=subprocess.PIPE, cwd=root, text=True
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([child], [], [], 30)
    os.close(child)
    assert ended
