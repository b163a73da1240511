"""Runs with several coprocessors: what may be asked for, and what each operator has to itself."""

from pathlib import Path
from typing import Any

import pytest

from streams.devnet import operators, postgres, up
from streams.devnet.contracts import Deployment
from streams.devnet.demo import several_coprocessors
from streams.devnet.demo.faults import ACTIONS, Fault
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.settings import load_settings

URL = "postgresql://me:secret@127.0.0.1:5433/cipherstream"


def make(**changes: Any) -> several_coprocessors.SeveralPlan:
    asked: dict[str, Any] = {
        "state_dir": Path(".cipherstream"),
        "coprocessors": 3,
        "engine": "clear",
        "chosen": (),
        "keep": False,
    }
    return several_coprocessors.make(**(asked | changes))


def test_faults_come_in_the_order_in_which_they_can_follow_each_other() -> None:
    assert make(chosen=("down", "misjudging", "lying", "slow")).faults == tuple(Fault)
    assert list(Fault) == [Fault.LYING, Fault.MISJUDGING, Fault.SLOW, Fault.DOWN]
    assert list(ACTIONS) == list(Fault)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"chosen": ("lazy",)}, "--fault takes lying, misjudging, slow, down, not lazy"),
        ({"coprocessors": 2, "chosen": ("down",)}, "--fault needs --coprocessors 3"),
        ({"coprocessors": 6}, "--coprocessors takes 1 to 5"),
    ],
)
def test_a_run_that_cannot_be_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make(**changes)


@pytest.mark.parametrize(("count", "needed"), [(2, 2), (3, 2), (4, 3), (5, 3)])
def test_a_majority_has_to_agree(count: int, needed: int) -> None:
    assert operators.majority(count) == needed


def test_each_operator_has_its_own_prefix_database_bucket_and_keys(
    servers: Stack, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    found = [operators.describe(State(tmp_path), servers, number) for number in range(3)]
    for operator in found:
        operators.write_settings(operator, deployment, "clear")
    told = [load_settings(operator.state.settings_file) for operator in found]
    assert [settings.kafka.prefix for settings in told] == ["c1.", "c2.", "c3."]
    assert [settings.object_store.bucket for settings in told] == [
        "ciphertexts-c1", "ciphertexts-c2", "ciphertexts-c3",
    ]  # fmt: skip
    assert len({settings.postgres.url.get_secret_value() for settings in told}) == 3
    assert len({settings.sender.address for settings in told}) == 3
    keys = [path.read_bytes() for o in found for path in (o.state.sender_key_file, o.state.signer_key_file)]
    assert len(set(keys)) == 6
    assert {settings.gateway.drift_post_consensus_grace_s for settings in told} == {operators.GRACE_S}
    network = operators.network(servers, found)
    assert network.threshold == 2
    registered = [f"0x{coprocessor.tx_sender.hex()}" for coprocessor in network.coprocessors]
    assert registered == [settings.sender.address for settings in told]
    assert [c.bucket_url for c in network.coprocessors] == [up.bucket_url(o.servers) for o in found]


def test_another_database_of_the_same_server() -> None:
    assert postgres.at_database(URL, "c2") == "postgresql://me:secret@127.0.0.1:5433/c2"


@pytest.mark.parametrize("count", [1, 6])
async def test_several_are_two_to_five(count: int, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="2 to 5 coprocessors"):
        await operators.up(State(tmp_path), count)
