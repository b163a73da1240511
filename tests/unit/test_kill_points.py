"""docs/kill-points.md lists every crash point as the code describes it, and tests that exist."""

import re
import sys
from pathlib import Path

from streams.services.crashpoints import POINTS

ROOT = Path(__file__).parents[2]
KILLS = ROOT / "tests/acceptance/kills"
PAGE = (ROOT / "docs/kill-points.md").read_text()


def rows() -> dict[str, list[str]]:
    """Point → the other columns of its row."""
    table = (line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells[1:] for cells in table if len(cells) == 4}


def rounds() -> tuple[dict[str, str], ...]:
    """The rounds of the acceptance test: process → point."""
    sys.path.insert(0, str(KILLS))
    try:
        from kill_rounds import ROUNDS
    finally:
        sys.path.remove(str(KILLS))
    return ROUNDS


def test_the_table_and_the_code_have_the_same_points() -> None:
    assert {point: cells[1] for point, cells in rows().items()} == POINTS


def test_every_point_is_killed_in_a_round_by_the_processes_that_the_table_names() -> None:
    killed: dict[str, list[str]] = {}
    for crashes in rounds():
        for process, point in crashes.items():
            killed.setdefault(point, []).append(process)
    assert {point: cells[2].split(", ") for point, cells in rows().items()} == killed


def test_the_tests_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE))
    assert named
    for path, function in named:
        assert f"def {function}" in (ROOT / path).read_text()
