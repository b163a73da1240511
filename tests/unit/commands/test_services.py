import sys

import pytest

from streams.commands import services
from streams.domain.errors import ConfigurationError
from streams.settings import KafkaSettings


def test_every_service_of_this_version_is_offered() -> None:
    assert services.available() == (
        "host-listener",
        "gw-listener",
        "graph",
        "tfhe-worker",
        "zkproof-worker",
        "sns-worker",
        "transaction-sender",
    )


def test_a_service_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match="graph, tfhe-worker"):
        services.run("prover")


def test_a_broker_that_is_away_is_left_to_the_services(capsys: pytest.CaptureFixture[str]) -> None:
    services.require_topics(KafkaSettings(bootstrap="127.0.0.1:1"))
    assert "the services wait for the broker" in capsys.readouterr().err


def test_a_child_runs_in_our_environment() -> None:
    assert services.service_argv("graph") == (sys.executable, "-m", "streams.cli", "run", "graph")
