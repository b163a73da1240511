import asyncio
import contextlib
import io
import os
import signal
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from streams.devnet import stack, up
from streams.devnet.demo import plan, run, stages
from streams.devnet.demo.ledger import Line
from streams.devnet.demo.plan import Stage
from streams.devnet.state import State
from streams.devnet.supervisor import NotReady
from streams.domain.errors import ConfigurationError


def planned(until: Stage) -> plan.Plan:
    return plan.make(
        state_dir=Path("x"),
        transfers=1,
        engine="clear",
        until=until,
        kills=(),
        keep=False,
        last_standing=Stage.KILLS,
    )


Downs = list[bool]  # for each time that everything was stopped: whether its data was deleted


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[plan.Plan, Downs]]:
    """A run without servers whose balances end like this."""

    def played(*lines: Line, keep: bool = False) -> tuple[plan.Plan, Downs]:
        downs: Downs = []

        async def down(_: State, *, delete: bool = False) -> None:
            downs.append(delete)

        async def nothing(*_: object, **__: object) -> None: ...

        async def ended(*_: object) -> tuple[Line, ...]:
            return lines

        @contextlib.asynccontextmanager
        async def world(*_: object) -> AsyncGenerator[SimpleNamespace]:
            yield SimpleNamespace(traffic=SimpleNamespace(rejected=1))

        for place, name, instead in (
            (up, "up", nothing),
            (up, "down", down),
            (stages, "check_devnet", nothing),
            (run, "_world", world),
            (run, "_stages", ended),
        ):
            monkeypatch.setattr(place, name, instead)
        chosen = planned(Stage.INPUTS)
        return msgspec.structs.replace(chosen, state_dir=tmp_path / "devnet", keep=keep), downs

    return played


def marked(root: Path) -> State:
    """The folder of an earlier demonstration."""
    state = State(root)
    stack.mark(state.root)
    (state.root / "demo").touch()
    (state.root / "deployment.json").write_text("{}")
    (state.root / "ports.json").write_text("{}")
    return state


async def test_an_empty_place_is_marked(tmp_path: Path) -> None:
    state = State(tmp_path / "devnet")
    await run.prepare(state)
    assert {path.name for path in state.root.iterdir()} == {"demo", "made-by-devnet"}
    await run.prepare(state)  # also when an earlier start came no further
    assert {path.name for path in state.root.iterdir()} == {"demo", "made-by-devnet"}


async def test_what_an_earlier_demonstration_left_is_cleared(tmp_path: Path) -> None:
    state = marked(tmp_path / "devnet")
    state.write_secret(state.sender_key_file, b"x")
    await run.prepare(state)
    assert not state.deployment_file.exists()
    assert not state.secrets.exists()


async def test_the_data_of_somebody_s_devnet_is_left_alone(tmp_path: Path) -> None:
    state = marked(tmp_path / "devnet")
    (state.root / "demo").unlink()
    with pytest.raises(ConfigurationError, match="down --delete"):
        await run.prepare(state)
    assert state.deployment_file.exists()


async def test_a_run_that_fails_tells_where_the_logs_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise NotReady("kafka does not answer")

    monkeypatch.setattr(up, "up", fails)
    written = io.StringIO()
    plan = msgspec.structs.replace(planned(Stage.INPUTS), state_dir=tmp_path / "devnet")
    with pytest.raises(NotReady):
        await run.run(plan, Console(file=written, width=200))
    assert f"logs: {tmp_path}/devnet/logs\n" in written.getvalue()


def test_the_kills_happen_to_a_main_job_that_is_done_once() -> None:
    assert run.actions(planned(Stage.KILLS))[-2:] == (Stage.COMMIT, Stage.KILLS)
    assert run.actions(planned(Stage.INPUTS))[-2:] == (Stage.COMMIT, Stage.INPUTS)
    assert Stage.DEVNET not in run.actions(planned(Stage.INPUTS))


@pytest.mark.parametrize(("decrypted", "code"), [(5, 0), (4, 1), (None, 1)])
async def test_one_wrong_balance_is_exit_code_1(
    played: Callable[..., tuple[plan.Plan, Downs]], decrypted: int | None, code: int
) -> None:
    written = io.StringIO()
    right, other = Line("user 0", b"\x01" * 32, 7, 7), Line("user 1", b"\x02" * 32, 5, decrypted)
    chosen, _ = played(right, other)
    assert await run.run(chosen, Console(file=written, width=200)) == code
    assert ("DIFFERENT" in written.getvalue()) is (code == 1)


@pytest.mark.parametrize(("keep", "downs"), [(False, [True, False]), (True, [True])])
async def test_everything_is_stopped_at_the_end_unless_it_is_to_be_kept(
    played: Callable[..., tuple[plan.Plan, Downs]], keep: bool, downs: Downs
) -> None:
    chosen, found = played(keep=keep)
    assert await run.run(chosen, Console(file=io.StringIO())) == 0
    assert found == downs  # the first clears what an earlier run left; the data of this one stays


@pytest.mark.parametrize("is_interrupted", [True, False])
async def test_what_is_being_cleared_up_is_cleared_up_whatever_signals_come(is_interrupted: bool) -> None:
    cleared: list[str] = []
    has_begun = asyncio.Event()

    async def demonstration() -> None:
        run.end_on_signals()
        try:
            has_begun.set()
            if is_interrupted:
                await asyncio.Event().wait()
        finally:
            run.pass_over_signals()
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.01)  # for the loop to hear of it
            cleared.append("all")

    task = asyncio.create_task(demonstration())
    await has_begun.wait()
    if is_interrupted:
        os.kill(os.getpid(), signal.SIGINT)
    ended = await asyncio.gather(task, return_exceptions=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
    assert cleared == ["all"]
    assert isinstance(ended[0], asyncio.CancelledError) is is_interrupted


async def test_a_second_signal_does_not_end_the_unwinding_after_the_first() -> None:
    steps: list[str] = []

    async def demonstration() -> None:
        run.end_on_signals()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.01)  # for the loop to hear of it
            steps.append("a context that is closed before the servers are stopped")

    await asyncio.gather(asyncio.create_task(demonstration()), return_exceptions=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
    assert steps
