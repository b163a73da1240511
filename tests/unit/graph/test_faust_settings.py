"""What Faust is told about the broker's group."""

import pytest

from streams.services.graph.faust_app import make_app
from streams.settings import KafkaSettings


@pytest.mark.parametrize(("session_s", "heartbeat_s"), [(45.0, 3.0), (8.0, 2.0)])
async def test_a_session_has_room_for_several_heartbeats(session_s: float, heartbeat_s: float) -> None:
    conf = make_app(KafkaSettings(session_timeout_s=session_s)).conf
    assert conf.broker_session_timeout == session_s
    assert conf.broker_heartbeat_interval == heartbeat_s
