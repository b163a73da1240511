"""Several commands on one line run in its order, each with the words behind its name."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from streams.commands.chained_group import ChainedGroup, split


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], [[]]),
        (["a"], [["a"]]),
        (["--x", "1", "a", "-y", "b", "b", "--z"], [["--x", "1", "a", "-y"], ["b"], ["b", "--z"]]),
        (["c", "a", "--x=b", "d"], [["c", "a", "--x=b", "d"]]),
    ],
)
def test_words_are_cut_at_names(words: list[str], parts: list[list[str]]) -> None:
    assert split(words, {"a", "b"}) == parts


def group() -> typer.Typer:
    app = typer.Typer(cls=ChainedGroup)

    @app.callback()
    def begin(context: typer.Context, name: str = "n") -> None:
        context.obj = [name]

    @app.command()
    def a(context: typer.Context, size: Annotated[int, typer.Option()] = 0) -> None:
        context.obj.append(size)

    @app.command()
    def b(context: typer.Context) -> None:
        typer.echo(context.obj)

    whole = typer.Typer()
    whole.add_typer(app, name="of")
    whole.command()(lambda: None)
    return whole


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "b"], "['n', 0]"),
        (["--name", "m", "a", "--size", "2", "a", "b"], "['m', 2, 0]"),
        (["b", "a", "b"], "['n']\n['n', 0]"),
    ],
)
def test_they_share_the_group_s_context(words: list[str], said: str) -> None:
    result = CliRunner().invoke(group(), ["of", *words])
    assert (result.exit_code, result.output.strip()) == (0, said)


@pytest.mark.parametrize("words", [["c"], ["a", "c"], ["a", "b", "--size", "1"], ["a", "--size", "b"]])
def test_what_does_not_exist_is_an_error(words: list[str], tmp_path: Path) -> None:
    assert CliRunner().invoke(group(), ["of", *words]).exit_code == 2
