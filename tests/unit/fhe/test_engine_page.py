"""docs/engine.md shows code and pictures: both are what the tree and the command say."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "engine.md").read_text()
QUOTES = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FENCES = re.findall(r"^```\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PICTURES = [fence for fence in FENCES if fence.startswith("cipherstream bench waves")]


def test_the_page_walks_through_an_operation() -> None:
    # A line of a list is no Python by itself, hence text.
    assert len(QUOTES) == sum(PAGE.count(f"```{language}\n") for language in ("python", "rust", "text")) >= 8
    assert len({path for path, _ in QUOTES}) >= 6


@pytest.mark.parametrize(("path", "code"), QUOTES)
def test_shown_code_is_that_of_its_file(path: str, code: str) -> None:
    lines = (ROOT / path).read_text().splitlines()
    shown = code.splitlines()
    # Neighbours on the page need not be neighbours in a list, but each line is there, in this order.
    rest = iter(lines)
    assert [line for line in shown if line not in rest] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.partition("\n")[0])
def test_a_picture_is_what_its_command_draws(picture: str) -> None:
    command, _, drawn = picture.partition("\n")
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 0, result.output
    assert result.stdout == drawn


def test_there_are_pictures() -> None:
    assert len(PICTURES) >= 3


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", PAGE))
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []
