"""The command with all that wants a GPU: each step has its time and its file, and keeps no other from it."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from streams import cli
from tools import check_gpu
from tools.check_gpu import ROOT, STEPS, Outcome, Step, chosen, main, run_all

SLEEPER = """
import subprocess, time
print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""
BENCHMARKS: Any = typer.main.get_command(cli.app)


def python(name: str, program: str, limit_s: int = 30) -> Step:
    return Step(name, (sys.executable, "-c", program), limit_s)


def summary(folder: Path) -> list[Outcome]:
    return msgspec.json.decode((folder / "summary.json").read_bytes(), type=list[Outcome])


def test_steps_that_fail_keep_none_of_the_others_from_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [
        python("refuses", "import sys; sys.exit('three words differ')"),
        Step("missing", ("no-such-program",), 30),
        python("hangs", SLEEPER, 1),
        python("passes", "import sys; open(sys.argv[1] + '/result', 'w').write('equal')"),
    ]
    steps[-1] = msgspec.structs.replace(steps[-1], command=(*steps[-1].command, "{folder}"))
    assert run_all(steps, tmp_path) == 3
    assert [(found.name, found.status) for found in summary(tmp_path)] == [
        ("refuses", 1),
        ("missing", 127),
        ("hangs", None),
        ("passes", 0),
    ]
    assert "three words differ" in (tmp_path / "refuses.log").read_text()
    assert "No such file" in (tmp_path / "missing.log").read_text()
    assert (tmp_path / "result").read_text() == "equal"
    assert "not through in 1 s" in capsys.readouterr().out


def test_what_a_step_started_ends_with_it(tmp_path: Path) -> None:
    run_all([python("hangs", SLEEPER, 2)], tmp_path)
    pid = int((tmp_path / "hangs.log").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").exists() and _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_some_are_chosen_by_name() -> None:
    assert [step.name for step in chosen(["races", "machine"])] == ["machine", "races"]
    assert chosen([]) == list(STEPS)
    with pytest.raises(SystemExit, match="no such step: rases"):
        chosen(["rases"])


def test_the_exit_code_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_gpu, "STEPS", ())
    for status in (0, 1):
        steps = [python("only", f"raise SystemExit({status})")]
        monkeypatch.setattr(check_gpu, "chosen", lambda names, steps=steps: steps)
        assert main(["--output", str(tmp_path)]) == status


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_a_step_asks_for_is_there(step: Step) -> None:
    if "bench" in step.command:
        name, *arguments = step.command[step.command.index("bench") + 1 :]
        command = BENCHMARKS.commands["bench"].commands[name]
        assert command.make_context(name, [part.format(folder="f") for part in arguments]).params
    elif "pytest" in step.command:
        assert all((ROOT / part).is_dir() for part in step.command if part.startswith("tests/"))
    else:
        assert step.command == ("nvidia-smi",)
