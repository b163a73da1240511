import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from streams.devnet import up
from streams.devnet.demo import plan, run
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


def marked(root: Path) -> State:
    """The folder of an earlier demonstration."""
    state = State(root)
    state.root.mkdir(parents=True)
    (state.root / "demo").touch()
    (state.root / "deployment.json").write_text("{}")
    (state.root / "ports.json").write_text("{}")
    return state


async def test_an_empty_place_is_marked(tmp_path: Path) -> None:
    state = State(tmp_path / "devnet")
    await run.prepare(state)
    assert [path.name for path in state.root.iterdir()] == ["demo"]
    await run.prepare(state)  # also when an earlier start came no further
    assert [path.name for path in state.root.iterdir()] == ["demo"]


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
