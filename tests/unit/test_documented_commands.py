"""Every command and option that the documents name is one of the command line."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main

from streams import cli
from streams.commands.chained_group import ChainedGroup

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "benchmarks/README.md", *(f"docs/{path.name}" for path in ROOT.glob("docs/*.md")))
APP: Any = typer.main.get_command(cli.app)
PROGRAM = re.compile(r"\bcipherstream +(?=\S)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
# How the existing operators' programs are started, which is told beside what is ours instead.
THEIRS = re.compile(r"^\| `--.*$", re.MULTILINE)


class Unknown(Exception):
    """A document names what there is not."""


def commands_of(command: Any) -> Mapping[str, Any]:
    return getattr(command, "commands", {})


def further(group: Any) -> Mapping[str, Any]:
    """Commands that may follow another one of the group on its line."""
    return commands_of(group) if isinstance(group, ChainedGroup) else {}


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def taken(line: str) -> set[str]:
    """Options that the commands of a line take, which begins behind the program's name; raises Unknown."""
    group: Any = APP
    command: Any = APP
    found = {"--help"} | options_of(APP)
    words, cut, _ = re.sub(r"[\[\]]", " ", line.partition("#")[0]).partition("…")
    for word in words.split():
        if commands_of(command):
            group = command
        elif word.startswith("--") or word not in further(group):
            continue  # an option, its value, an argument
        for name in word.split("|"):
            if name not in commands_of(group):
                raise Unknown(f"{line}: {name}")
            command = commands_of(group)[name]
            found |= options_of(command)
    open_ones = commands_of(command).values() if cut else ()
    return found.union(*map(options_of, open_ones))


def named(section: str) -> Iterator[str]:
    """Command lines of a section: in blocks, in the text, and by their groups alone."""
    spans = [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", section))]
    lines = [line for block in FENCE.findall(section) for line in block.splitlines()]
    for text in (*spans, *lines):
        for part in text.split("&&"):
            yield from PROGRAM.split(part)[1:]
    groups = [name for name, command in APP.commands.items() if commands_of(command)]
    yield from (span for span in spans if span.partition(" ")[0] in groups and " " in span)


def unknown_of(section: str) -> Iterator[str]:
    """What a section says wrongly."""
    allowed = {"--help"} | options_of(APP)
    for line in named(section):
        try:
            known = taken(line)
        except Unknown as error:
            yield str(error)
            continue
        yield from (f"{line}: {option}" for option in OPTION.findall(line) if option not in known)
        allowed |= known
    alone = [span for span in SPAN.findall(FENCE.sub("", section)) if span.startswith("--")]
    yield from (span for span in alone for option in OPTION.findall(span) if option not in allowed)


def sections(text: str) -> Iterator[str]:
    """From heading to heading; what looks like one in a block is a comment."""
    lines: list[str] = []
    in_block = False
    for line in text.splitlines(keepends=True):
        in_block ^= line.startswith("```")
        if line.startswith("#") and not in_block:
            yield "".join(lines)
            lines.clear()
        lines.append(line)
    yield "".join(lines)


def wrong(text: str) -> list[str]:
    """What a document says wrongly; an option that stands alone is one of its section's commands."""
    return [found for section in sections(THEIRS.sub("", text)) for found in unknown_of(section)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_and_options_of_a_document_exist(document: str) -> None:
    assert wrong((ROOT / document).read_text()) == []


def test_the_documents_name_many() -> None:
    lines = [line for document in DOCUMENTS for line in named((ROOT / document).read_text())]
    assert len(lines) > 50
    assert any("--" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("`cipherstream fly`", "fly: fly"),
        ("`cipherstream devnet\nfly`", "devnet fly: fly"),
        ("`cipherstream devnet up|fly`", "devnet up|fly: fly"),
        ("`topics fly`", "topics fly: fly"),
        ("`cipherstream demo --until kills --fly`", "demo --until kills --fly: --fly"),
        ("`cipherstream handle HANDLE [--fly]`", "handle HANDLE [--fly]: --fly"),
        ("`cipherstream migrate` and `--transfers N`", "--transfers N"),
        ("`bench … --fly`", "bench … --fly: --fly"),
        ("```\ncipherstream lag # or --fly\n```\n", "lag # or --fly: --fly"),
        ("```\ncipherstream lag && cipherstream fly\n```\n", "fly: fly"),
        ("`cipherstream bench fhe bootstraps --compare a,b --fly`", "--fly"),
        ("# one\n`cipherstream demo`\n# two\n`--keep`", "--keep"),
    ],
)
def test_what_there_is_not_is_found(text: str, complaint: str) -> None:
    (found,) = wrong(text)
    assert found.endswith(complaint)


@pytest.mark.parametrize(
    "text",
    [
        "`cipherstream demo --help` has `--transfers N` and\n`--keep`",
        "`cipherstream devnet up|down|status`",
        "```\nsudo cipherstream bench squash --bits 8 fhe --transfers 2 --output FILE\n```\n",
        "`bench … --gpu N`",
        "| `--their-flag` | `graph.ours` |",
        "`cipherstream control pause TENANT`, `--config FILE`",
    ],
)
def test_what_there_is_is_no_mistake(text: str) -> None:
    assert wrong(text) == []
