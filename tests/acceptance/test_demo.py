"""The demonstration as its user meets it: a process, its table, its exit code, and nothing left behind."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

LOOK_S = 0.5  # between two looks at the processes of a run
END_S = 10  # for what ends with its parent
LIED = 3  # handles of a mint
STARTED = 8  # processes of a run that is under way: at least the servers and some services
SEVERAL_ROW = re.compile(r"^. (c\d) +. (\w+) +. (\w+) +. (\w+) +.$")
ROW = re.compile(r"^. (\w[\w ]*?) +. (\d+) +. (\d+) +. equal .$")


class Demo:
    """One run; every process below it carries the run's folder in its environment."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._mark = str(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIPHERSTREAM_")}
        kept.pop("DATABASE_URL", None)
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", "demo", "--engine", "clear", *arguments],
                cwd=folder,
                env={**kept, "COLUMNS": "200", "NO_COLOR": "1", "DEMO_FOLDER": self._mark},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.seen: set[psutil.Process] = set()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def look(self) -> None:
        """See what runs below it now."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("DEMO_FOLDER") == self._mark:
                    self.seen.add(process)
            except psutil.Error:  # ended while we looked
                continue

    def watch(self, until: Callable[[], bool]) -> None:
        """Look again and again until it has ended or something is true."""
        while self.process.poll() is None and not until():
            self.look()
            try:
                self.process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                continue

    def left(self) -> list[str]:
        """Processes of the run that still run."""
        self.look()
        _, alive = psutil.wait_procs(self.seen, timeout=END_S)
        return [found for process in alive if (found := described(process))]


def described(process: psutil.Process) -> str:
    """A running process, empty for one that has ended, reaped by its new parent or not."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(tmp_path, *arguments))
        return started[-1]

    yield start
    for run in started:
        run.process.terminate()
        run.process.wait()


@pytest.mark.stack
def test_all_balances_are_as_the_ledger_says_and_nothing_runs_on(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    run = demo("--transfers", "2", "--state", str(tmp_path / "devnet"))
    run.watch(lambda: False)
    assert run.process.returncode == 0, run.output
    rows = [found.groups() for line in run.output.splitlines() if (found := ROW.match(line))]
    *users, (last, supply, _) = rows
    assert all(expected == decrypted for _, expected, decrypted in rows)
    assert (last, int(supply)) == ("supply", sum(int(expected) for _, expected, _ in users))
    assert len([user for user in users if int(user[1])]) > 2  # the one who paid and two who were paid
    assert "DIFFERENT" not in run.output
    assert "1 foreign proof rejected on the gateway" in run.output
    assert f"logs: {tmp_path}/devnet/logs" in run.output
    assert len(run.seen) > STARTED
    assert run.left() == []


@pytest.mark.stack
def test_three_coprocessors_agree_and_the_detectors_name_the_one_that_lies_is_slow_or_is_down(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    faults = ("--fault", "lying", "--fault", "slow", "--fault", "down")
    run = demo("--coprocessors", "3", *faults, "--state", str(tmp_path / "devnet"))
    run.watch(lambda: False)
    assert run.process.returncode == 0, run.output
    for said in (
        r"agreement stands after .* handles, each committed by all 3 with the same digests",
        r"lying stands after .* agreed on by c1, c2; all detectors name c3",
        r"slow stands after .* agreed on by c1, c2; c3 was missed until it came",
        r"down stands after .* agreed on by c1, c2; their detectors miss c3",
    ):
        assert re.search(said, run.output), run.output
    rows = [found.groups() for line in run.output.splitlines() if (found := SEVERAL_ROW.match(line))]
    assert [row[0] for row in rows] == ["c1", "c2", "c3"]
    for _, differing, timeouts, missing in rows[:2]:
        assert int(differing) == LIED
        assert int(timeouts) == 0
        assert int(missing) >= 2 * LIED  # of the slow one and of the dead one
    assert rows[2][1:] == ("down", "down", "down")
    assert run.left() == []


@pytest.mark.stack
def test_an_interrupted_run_says_so_and_leaves_nothing(demo: Callable[..., Demo], tmp_path: Path) -> None:
    run = demo("--transfers", "2", "--state", str(tmp_path / "devnet"))
    run.watch(lambda: len(run.seen) > STARTED)
    run.process.send_signal(signal.SIGINT)
    run.watch(lambda: False)
    assert run.process.returncode == 130, run.output
    assert "Traceback" not in run.output
    assert run.left() == []


def test_a_folder_with_somebody_s_files_is_refused_and_left_alone(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("words")
    run = demo("--state", str(folder))
    run.watch(lambda: False)
    assert run.process.returncode == 1
    last = run.output.splitlines()[-1]
    assert last.startswith("cipherstream: ")
    assert str(folder) in last
    assert "Traceback" not in run.output
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("chapter.txt", "words")]
