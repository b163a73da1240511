"""Which processes count as services that run."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.bench.memory import measure
from streams.domain.errors import ConfigurationError
from streams.services.address import Address, leave

NOBODY = 2**22 + 1  # above every number that the kernel gives


def ran(folder: Path, name: str, pid: int) -> None:
    leave(folder, name, Address(pid=pid, http_port=1))


def test_where_nothing_runs_it_says_what_to_start(tmp_path: Path) -> None:
    ran(tmp_path, "graph", NOBODY)
    with pytest.raises(ConfigurationError, match="demo --keep"):
        measure(tmp_path)


def test_a_process_is_told_and_one_that_ended_is_not(tmp_path: Path) -> None:
    waiting = (sys.executable, "-c", "input()")
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, start_new_session=True) as service:
        ran(tmp_path, "graph", service.pid)
        ran(tmp_path, "sns-worker", NOBODY)
        found = measure(tmp_path)
        service.kill()
    assert found.setting == {"services": 1}
    assert [figure.name for figure in found.figures] == [
        "graph: resident memory",
        "graph: most resident memory",
    ]
    assert all(figure.value > 0 and figure.unit == "MiB" for figure in found.figures)
