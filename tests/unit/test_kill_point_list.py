"""The rounds of the acceptance test kill at every crash point that there is; a process can also be frozen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from streams.commands import services
from streams.services.crashpoints import MARKER_VARIABLE, POINT_VARIABLE, POINTS, SIGNAL_VARIABLE

ROOT = Path(__file__).parents[2]
KILLS = ROOT / "tests/acceptance/kills"
PROGRAM = "from streams.services.crashpoints import crashpoint; crashpoint('graph.decided'); print('alive')"


def rounds() -> tuple[dict[str, str], ...]:
    """Process → point."""
    sys.path.insert(0, str(KILLS))
    try:
        from kill_rounds import ROUNDS
    finally:
        sys.path.remove(str(KILLS))
    return ROUNDS


def test_every_point_is_killed_at_in_a_round() -> None:
    assert {point for crashes in rounds() for point in crashes.values()} == set(POINTS)


def test_only_services_die() -> None:
    assert {process for crashes in rounds() for process in crashes} <= set(services.available())


def test_each_kind_of_worker_dies_at_each_of_its_points() -> None:
    killed = {(process, point) for crashes in rounds() for process, point in crashes.items()}
    for worker in ("tfhe-worker", "zkproof-worker", "sns-worker"):
        for point in ("worker.started", "worker.executed", "child.answering"):
            assert (worker, point) in killed


def test_a_frozen_process_goes_on_where_it_stood(tmp_path: Path) -> None:
    environment = {
        POINT_VARIABLE: "graph.decided",
        MARKER_VARIABLE: str(tmp_path / "marker"),
        SIGNAL_VARIABLE: "SIGSTOP",
    }
    program = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(program, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        stopped = os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        assert stopped is not None
        assert stopped.si_status == signal.SIGSTOP
        process.send_signal(signal.SIGCONT)
        assert process.communicate() == ("alive\n", None)
