"""The demonstration as its user meets it: a process, its table, its exit code, and nothing left behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

COMMAND = (sys.executable, "-m", "streams.cli")
LOOK_S = 0.5  # between two looks at the processes of a run
END_S = 10  # for what ends with its parent
LIED = 3  # handles of a mint
STARTED = 8  # processes of a run that is under way: at least the servers and some services
SEVERAL_ROW = re.compile(r"^. (c\d) +. (\w+) +. (\w+) +. (\w+) +.$")
ROW = re.compile(r"^. (\w[\w ]*?) +. (\d+) +. (\d+) +. equal .$")
HANDLE = re.compile(r"^ (\w[\w ]*?)  (0x[0-9a-f]{64})$", re.MULTILINE)
UNKNOWN = "0x" + "ab" * 21 + "ff" + "00" * 6 + "3039" + "0500"


class Demo:
    """One run; every process below it carries the run's folder in its environment."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._mark = str(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CIPHERSTREAM_")}
        kept.pop("DATABASE_URL", None)
        self._folder = folder
        self._environment = {**kept, "COLUMNS": "200", "NO_COLOR": "1", "DEMO_FOLDER": self._mark}
        self._output = folder / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, "demo", "--engine", "clear", *arguments],
                cwd=folder,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.seen: set[psutil.Process] = set()

    @property
    def output(self) -> str:
        return self._output.read_text()

    def then(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command in the folder of the run."""
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """Whatever is left of a test that failed."""
        self.process.terminate()
        self.process.wait()
        self.look()
        for process in self.seen:
            with contextlib.suppress(psutil.Error):
                process.kill()

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
        run.end()


@pytest.mark.stack
@pytest.mark.timeout(1800)
def test_all_balances_are_as_the_ledger_says_and_what_is_kept_can_be_looked_at_and_cleared(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    run = demo("--transfers", "2", "--keep")
    run.watch(lambda: False)
    assert run.process.returncode == 0, run.output
    rows = [found.groups() for line in run.output.splitlines() if (found := ROW.match(line))]
    *users, (last, supply, _) = rows
    assert all(expected == decrypted for _, expected, decrypted in rows)
    assert (last, int(supply)) == ("supply", sum(int(expected) for _, expected, _ in users))
    assert len([user for user in users if int(user[1])]) > 2  # the one who paid and two who were paid
    assert "DIFFERENT" not in run.output
    assert "1 foreign proof rejected on the gateway" in run.output
    assert f"logs: {tmp_path}/.cipherstream/logs" in run.output
    assert len(run.seen) > STARTED
    _look_around(run, {name: int(expected) for name, expected, _ in rows})
    down = run.then("devnet", "down", "--delete")
    assert down.returncode == 0, down.stderr
    assert run.left() == []
    assert not (tmp_path / ".cipherstream/devnet.toml").exists()


def _look_around(run: Demo, balances: dict[str, int]) -> None:
    """The commands of the README, with what the demonstration printed."""
    handles = dict(HANDLE.findall(run.output))
    assert handles.keys() == balances.keys()
    parts = json.loads(run.then("devnet", "status", "--json").stdout)
    assert {"kafka", "graph", "sns-worker"} <= {part["name"] for part in parts if part["is_running"]}

    decrypted = run.then("devnet", "decrypt", *handles.values())
    assert decrypted.returncode == 0, decrypted.stderr
    shown = [f"{handle} = {balances[name]}" for name, handle in handles.items()]
    assert decrypted.stderr.splitlines() == shown

    told, document = run.then("handle", handles["supply"]), run.then("handle", handles["supply"], "--json")
    assert (told.returncode, document.returncode) == (0, 0), told.stderr + document.stderr
    life = json.loads(document.stdout)
    steps = {step["what"] for step in life["steps"]}
    assert {"allowed", "ciphertext stored", "uploaded and attested", "transaction signed"} <= steps
    first, *lines = told.stdout.splitlines()
    assert first == life["handle"] == handles["supply"]
    assert all(any(what in line for line in lines) for what in steps)

    unknown = run.then("handle", UNKNOWN)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr == f"nobody has heard of {UNKNOWN}\n"


@pytest.mark.stack
@pytest.mark.timeout(1800)
def test_three_coprocessors_agree_and_whoever_lies_misjudges_is_slow_or_is_down_is_named(
    demo: Callable[..., Demo], tmp_path: Path
) -> None:
    faults = ("lying", "misjudging", "slow", "down")
    chosen = [word for fault in faults for word in ("--fault", fault)]
    run = demo("--coprocessors", "3", *chosen, "--state", str(tmp_path / "devnet"))
    run.watch(lambda: False)
    assert run.process.returncode == 0, run.output
    for said in (
        r"agreement stands after .* handles, each committed by all 3 with the same digests",
        r"lying stands after .* agreed on by c1, c2; all detectors name c3, its own says that it drifted",
        r"misjudging stands after .* 2 inputs judged otherwise by c3: one found good and used after all, "
        r"one stays disputed",
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
