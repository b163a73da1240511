import contextlib
import socket
import stat
from collections.abc import Generator
from pathlib import Path

import pytest

from streams.devnet import ports
from streams.domain.errors import ConfigurationError


@contextlib.contextmanager
def listener(port: int) -> Generator[None]:
    with socket.create_server((ports.LOOPBACK, port)):
        yield


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "ports.json"


def test_ports_are_distinct_free_and_below_those_of_outgoing_connections(record: Path) -> None:
    chosen = ports.choose(record, ("a", "b", "c"))
    assert len(set(chosen.values())) == 3
    assert all(20_000 <= port < 32_000 and ports.is_free(port) for port in chosen.values())
    assert ports.read(record) == chosen


def test_a_restart_keeps_its_ports(record: Path) -> None:
    assert ports.choose(record, ("a", "b")) == ports.choose(record, ("a", "b"))


def test_a_port_that_somebody_took_is_replaced_alone(record: Path) -> None:
    before = ports.choose(record, ("a", "b"))
    with listener(before["a"]):
        after = ports.choose(record, ("a", "b"))
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_parts_that_are_not_asked_for_keep_theirs(record: Path) -> None:
    before = ports.choose(record, ("a", "b"))
    with listener(before["a"]):
        assert ports.choose(record, ("b",)) == {"b": before["b"]}
    assert ports.read(record) == before


def test_a_listening_port_is_not_free(record: Path) -> None:
    port = ports.choose(record, ("a",))["a"]
    with listener(port):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_no_free_port_is_an_error(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(port: int) -> bool:
        return False

    monkeypatch.setattr(ports, "is_free", taken)
    with pytest.raises(ConfigurationError, match="no free port"):
        ports.choose(record, ("a",))


def test_a_missing_record_holds_no_ports(record: Path) -> None:
    assert ports.read(record) == {}
    ports.choose(record, ())
    assert stat.S_ISREG(record.stat().st_mode)
