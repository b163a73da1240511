"""What the broker is told about a member of a group of workers."""

import pytest

from streams.adapters.kafka.work_source import member_configuration
from streams.settings import KafkaSettings


@pytest.mark.parametrize(("session_s", "told_ms"), [(45.0, 10_000), (6.0, 6_000), (7.5, 7_500)])
def test_a_silent_worker_is_given_up_after_the_shorter_session(session_s: float, told_ms: int) -> None:
    told = member_configuration(KafkaSettings(session_timeout_s=session_s), "compute")
    assert told["session.timeout.ms"] == told_ms


def test_a_group_carries_the_prefix_of_the_deployment() -> None:
    assert member_configuration(KafkaSettings(prefix="a."), "compute")["group.id"] == "a.compute"
