"""What Faust is told about the broker's group."""

from types import SimpleNamespace

import pytest

from streams.services.graph.faust_app import as_record, make_app
from streams.settings import KafkaSettings


@pytest.mark.parametrize(("session_s", "heartbeat_s"), [(45.0, 3.0), (8.0, 2.0)])
async def test_a_session_has_room_for_several_heartbeats(session_s: float, heartbeat_s: float) -> None:
    conf = make_app(KafkaSettings(session_timeout_s=session_s)).conf
    assert conf.broker_session_timeout == session_s
    assert conf.broker_heartbeat_interval == heartbeat_s


def test_headers_that_faust_passes_on_are_bytes_under_names_that_the_store_can_hold() -> None:
    headers = [("empty", None), ("a\0b", b"x"), ("plain", b"y")]
    message = SimpleNamespace(partition=1, offset=2, key=b"t", value=None, headers=headers, timestamp=None)
    assert as_record(message).headers == (("empty", b""), ("a\ufffdb", b"x"), ("plain", b"y"))
