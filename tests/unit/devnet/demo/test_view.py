import io
import re
from pathlib import Path

from rich.console import Console

from streams.adapters.postgres.progress import Counts, Queue
from streams.devnet.demo import report
from streams.devnet.demo.ledger import Line
from streams.devnet.demo.plan import Stage
from streams.devnet.demo.view import View, counted

COUNTS = Counts(blocks=9, wanted=6, computed=5, squashed=4, proofs=3, alarms=0)


def plain(width: int = 100) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=False, width=width), out


def test_a_stage_without_a_terminal_is_two_lines() -> None:
    console, out = plain()
    view = View(console, (Stage.DEVNET,))
    with view.stage(Stage.DEVNET):
        pass
    first, second = out.getvalue().splitlines()
    assert first == "devnet …"
    assert second.startswith("devnet stands after")
    assert list(view.took_s) == [Stage.DEVNET]


def test_counts_and_lag_are_one_line() -> None:
    line = counted(COUNTS, [Queue(work_class="tfhe", waiting=2, in_flight=1, done=5, failed=0)])
    assert line.endswith("waiting+in flight: tfhe 2+1")
    assert "\n" not in line


def test_a_different_balance_is_shown() -> None:
    console, out = plain()
    lines = [Line("user 0", b"", 7, 7), Line("user 1", b"", 5, 4), Line("user 2", b"", 5, None)]
    console.print(report.balances(lines))
    text = out.getvalue()
    assert text.count("DIFFERENT") == 2
    assert "equal" in text


def test_handles_are_whole_in_a_narrow_terminal_too() -> None:
    console, out = plain(width=40)
    lines = [
        Line("user 0", b"\xab" * 32, 7, 7),
        Line("user 1", b"", 0, 0),
        Line("supply", b"\xcd" * 32, 7, 7),
    ]
    report.closing(console, lines, {Stage.DEVNET: 1.0}, Path("logs"), 0)
    found = dict(re.findall(r"^ (user \d|supply)  (0x[0-9a-f]{64})$", out.getvalue(), re.MULTILINE))
    assert found == {"user 0": "0x" + "ab" * 32, "supply": "0x" + "cd" * 32}
