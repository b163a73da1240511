"""All that wants a GPU, in one command: `python tools/check_gpu.py --output FOLDER`.

The cheapest come first: equal words of every kernel, then whole operations, then the engine's tests, then
speed. What a step prints goes to FOLDER, results of benchmarks as JSON beside it, and which steps passed to
FOLDER/summary.json. A step that fails, or is not through in its time, keeps none of the others from running;
the exit code then is 1.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
CIPHERSTREAM: Final = (sys.executable, "-m", "streams.cli")
PYTEST: Final = (sys.executable, "-m", "pytest", "--wave-device", "cuda")


class Step(msgspec.Struct, frozen=True):
    """A command with the seconds that it may take; `{folder}` in it is that of the results."""

    name: str
    command: tuple[str, ...]
    limit_s: int


class Outcome(msgspec.Struct, frozen=True):
    """How a step ended."""

    name: str
    command: str
    seconds: float
    status: int | None  # None: its time was over


def _bench(name: str, *arguments: str) -> tuple[str, ...]:
    return (*CIPHERSTREAM, "bench", name, *arguments)


STEPS: Final = (
    Step("machine", ("nvidia-smi",), 30),
    Step("bootstraps-few", _bench("bootstraps", "--device", "cuda", "--batch", "1", "--batch", "16"), 120),
    Step("bootstraps", _bench("bootstraps", "--device", "cuda", "--json"), 180),
    Step(
        "determinism",
        _bench("determinism", "--device", "cpu", "--device", "cuda", "--output", "{folder}/determinism.json"),
        240,
    ),
    Step("squashes", _bench("squashes", "--device", "cuda", "--json"), 240),
    Step("kernels", (*PYTEST, "tests/unit/fhe/cuda"), 300),
    Step(
        "transfers",
        _bench(
            *("fhe", "--device", "cuda", "--transfers", "8", "--transfers", "64", "--transfers", "256"),
            *("--output", "{folder}/transfers.json"),
        ),
        300,
    ),
    Step("engine", (*PYTEST, "tests/integration/fhe"), 900),
    Step(
        "races",
        (
            *("compute-sanitizer", "--tool", "racecheck", "--error-exitcode", "1"),
            *_bench("bootstraps", "--device", "cuda", "--batch", "4", "--batch", "264", "--batch", "396"),
        ),
        600,
    ),
)


def carry_out(step: Step, folder: Path) -> Outcome:
    """One step; what it prints goes to its own file."""
    command = [part.format(folder=folder) for part in step.command]
    began = time.monotonic()
    with (folder / f"{step.name}.log").open("wb") as log:
        status = _status(command, step.limit_s, log.fileno())
    return Outcome(step.name, " ".join(command), round(time.monotonic() - began, 1), status)


def _status(command: Sequence[str], limit_s: int, log: int) -> int | None:
    try:
        # a session of its own: what it started ends with it
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    except OSError as error:
        os.write(log, f"{command[0]}: {error.strerror}\n".encode())
        return 127
    try:
        return child.wait(limit_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def chosen(names: Sequence[str], steps: Sequence[Step] = STEPS) -> list[Step]:
    """The steps with these names, all if there are none; raises SystemExit where one is unknown."""
    unknown = set(names) - {step.name for step in steps}
    if unknown:
        raise SystemExit(f"no such step: {', '.join(sorted(unknown))}")
    return [step for step in steps if not names or step.name in names]


def run_all(steps: Sequence[Step], folder: Path) -> int:
    """All of them in their order; how many did not pass."""
    folder.mkdir(parents=True, exist_ok=True)
    done: list[Outcome] = []
    for step in steps:
        done.append(carry_out(step, folder))
        # after each: whoever is interrupted has what there was
        (folder / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(done)) + b"\n")
        told = {0: "passed", None: f"not through in {step.limit_s} s"}
        ended = told.get(done[-1].status, f"ended with {done[-1].status}")
        sys.stdout.write(f"{step.name:15} {done[-1].seconds:7.1f} s  {ended}\n")
        sys.stdout.flush()
    return sum(outcome.status != 0 for outcome in done)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Runs all that wants a GPU.")
    parser.add_argument("--output", type=Path, required=True, help="folder for what the steps say")
    parser.add_argument("--only", action="append", default=[], help="name of a step; repeatable")
    options = parser.parse_args(arguments)
    return int(run_all(chosen(options.only), options.output.resolve()) > 0)


if __name__ == "__main__":
    sys.exit(main())
