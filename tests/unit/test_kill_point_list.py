"""The rounds of the acceptance test kill at every point that they can reach; a process can also be frozen."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from streams.commands import services
from streams.services.crashpoints import MARKER_VARIABLE, POINT_VARIABLE, POINTS, SIGNAL_VARIABLE

ROOT = Path(__file__).parents[2]
KILLS = ROOT / "tests/acceptance/kills"
STEPS = ("read", "produced", "acknowledged")
PROGRAM = "from streams.services.crashpoints import crashpoint; crashpoint('graph.decided'); print('alive')"


def listed() -> ModuleType:
    """The list of the acceptance test."""
    sys.path.insert(0, str(KILLS))
    try:
        return importlib.import_module("kill_rounds")
    finally:
        sys.path.remove(str(KILLS))


def test_every_point_is_killed_at_in_a_round_or_in_a_test_of_its_own() -> None:
    killed = listed().kills()
    assert len(killed) == len(set(killed))
    assert {point for _, point in killed} == set(POINTS) - listed().ELSEWHERE


def test_only_services_die() -> None:
    assert {process for process, _ in listed().kills()} <= set(services.available())


def test_each_kind_of_worker_dies_at_each_of_its_points() -> None:
    for worker in ("tfhe-worker", "zkproof-worker", "sns-worker"):
        for point in ("worker.started", "worker.executed", "child.answering"):
            assert (worker, point) in listed().kills()


def test_what_passes_also_over_empty_tables_dies_while_there_is_work() -> None:
    texts = [point for crashes in listed().ROUNDS for points in crashes.values() for point in points.split()]
    late = {point.partition(":")[0] for point in texts if ":" in point}
    steps = {f"{source}.{step}" for source in ("listener", "gateway") for step in STEPS}
    assert late == steps | {"graph.decided", "graph.committed"}


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
