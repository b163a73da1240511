from pathlib import Path
from typing import Any

import pytest

from streams.devnet.demo import plan
from streams.devnet.demo.plan import KILLABLE, Stage
from streams.domain.errors import ConfigurationError


def make(**changes: Any) -> plan.Plan:
    asked: dict[str, Any] = {
        "state_dir": Path(".cipherstream"),
        "transfers": 5,
        "engine": "tfhe-rs",
        "until": None,
        "kills": (),
        "keep": False,
        "last_standing": Stage.KILLS,
    }
    return plan.make(**(asked | changes))


def test_a_plain_run_does_the_main_job_without_kills() -> None:
    run = make()
    assert run.stages()[-1] is Stage.INPUTS
    assert run.kills == ()


def test_a_run_comes_to_every_stage_before_its_last() -> None:
    assert make(until=Stage.SQUASH).stages() == (
        Stage.DEVNET,
        Stage.KEYS,
        Stage.INGEST,
        Stage.COMPUTE,
        Stage.SQUASH,
    )


def test_the_last_stage_kills_every_service_that_can_be() -> None:
    assert make(until=Stage.KILLS).kills == KILLABLE


def test_naming_a_service_to_kill_asks_for_the_last_stage() -> None:
    run = make(kills=("graph",))
    assert (run.until, run.kills) == (Stage.KILLS, ("graph",))


def test_kills_need_their_stage() -> None:
    with pytest.raises(ConfigurationError, match="stage kills"):
        make(kills=("graph",), until=Stage.COMMIT)


def test_a_service_that_is_not_killed_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not kafka"):
        make(kills=("kafka",))


@pytest.mark.parametrize("until", [None, Stage.INPUTS, Stage.KILLS])
def test_what_does_not_stand_yet_is_named(until: Stage | None) -> None:
    with pytest.raises(ConfigurationError, match="stage squash does not stand yet"):
        make(until=until, last_standing=Stage.COMPUTE)


@pytest.mark.parametrize("transfers", [0, -1, 1_001])
def test_a_number_of_transfers_has_bounds(transfers: int) -> None:
    with pytest.raises(ConfigurationError, match="--transfers"):
        make(transfers=transfers)


def test_the_estimate_grows_with_the_work() -> None:
    assert plan.estimate_s(make(transfers=6)) > plan.estimate_s(make(transfers=5))
    assert plan.estimate_s(make(until=Stage.KILLS)) > plan.estimate_s(make())
    assert plan.estimate_s(make(engine="clear")) < plan.estimate_s(make())
    assert plan.estimate_s(make(until=Stage.DEVNET)) < plan.estimate_s(make(until=Stage.COMMIT))
