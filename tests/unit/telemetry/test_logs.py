import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.adapters.telemetry import logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("tfhe-worker", "info", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_action_and_service(lines: io.StringIO) -> None:
    structlog.get_logger("streams.x").info("computed", action="computed", tenant="12345.aa")
    (line,) = written(lines)
    assert (line["action"], line["service"], line["event"]) == ("computed", "tfhe-worker", "computed")
    assert line["tenant"] == "12345.aa"
    assert line["level"] == "info"


def test_lines_of_libraries_take_the_same_road(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("lost %s", "connection")
    (line,) = written(lines)
    assert (line["event"], line["service"], line["action"]) == ("lost connection", "tfhe-worker", "log")


def test_chatty_libraries_are_heard_from_warning_on(lines: io.StringIO) -> None:
    logging.getLogger("aiokafka").info("metadata")
    logging.getLogger("aiokafka").warning("rebalance")
    assert [line["event"] for line in written(lines)] == ["rebalance"]


def test_a_hidden_value_appears_nowhere(lines: io.StringIO) -> None:
    key = "0x" + "5a" * 32
    logs.hide(key)
    structlog.get_logger().error(
        f"bad key {key}", action="x", call={"raw": [key, bytes.fromhex("5a" * 32)]}, cause=ValueError(key)
    )
    assert "5a" * 32 not in lines.getvalue()
    assert logs.MASK in lines.getvalue()


def test_a_hidden_value_in_a_traceback_is_masked(lines: io.StringIO) -> None:
    logs.hide("hunter2hunter2")
    try:
        raise ValueError("hunter2hunter2")
    except ValueError:
        structlog.get_logger().error("failed", action="x", exc_info=True)
    assert "hunter2" not in lines.getvalue()
    assert "ValueError" in lines.getvalue()


@pytest.mark.parametrize("name", ["private_key", "sender_private_key", "s3_secret", "password", "api_token"])
def test_what_is_named_a_secret_is_masked(lines: io.StringIO, name: str) -> None:
    structlog.get_logger().info("x", action="x", **{name: "value"}, nested={name: "value"})
    (line,) = written(lines)
    assert line[name] == logs.MASK
    assert line["nested"] == {name: logs.MASK}


def test_the_password_of_a_url_is_masked(lines: io.StringIO) -> None:
    structlog.get_logger().info("connect postgresql://me:pw@host:5432/db", action="x")
    (line,) = written(lines)
    assert line["event"] == f"connect postgresql://me:{logs.MASK}@host:5432/db"


def test_numbers_stay_numbers(lines: io.StringIO) -> None:
    structlog.get_logger().info("x", action="x", offset=7, share=0.5, done=True, none=None)
    (line,) = written(lines)
    assert (line["offset"], line["share"], line["done"], line["none"]) == (7, 0.5, True, None)


def test_a_short_value_is_not_hidden(lines: io.StringIO) -> None:
    logs.hide("0xab")
    structlog.get_logger().info("table", action="x")
    assert "table" in lines.getvalue()
