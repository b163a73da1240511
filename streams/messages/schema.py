"""JSON Schemas of all messages: `python -m streams.messages.schema --check | --write`.

They are generated from the structs into `schemas/SUBJECT/MAJOR.MINOR.json`. A file that was released never
changes again, but for its descriptions: readers out there rely on it.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from streams.messages import subjects
from streams.messages.compatibility import Schema, breaks
from streams.messages.subjects import Subject

ROOT: Final = Path(__file__).parents[2] / "schemas"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def generate(subject: Subject) -> Schema:
    """The schema of a subject's struct, open for fields that a newer writer adds."""
    schema = {"$schema": _DIALECT, "$id": subject.schema, **msgspec.json.schema(subject.type)}
    return msgspec.json.decode(msgspec.json.encode(schema))  # tuples among the defaults become lists


def check(root: Path, chosen: tuple[Subject, ...] = subjects.SUBJECTS) -> list[str]:
    """What is wrong with the files below `root`, with the way to mend it; empty when all is well."""
    return [problem for subject in chosen for problem in _problems(root, subject)]


def write(root: Path, chosen: tuple[Subject, ...] = subjects.SUBJECTS) -> None:
    """Write the files that are missing and refresh descriptions of the others."""
    for subject in chosen:
        path, generated = _path(root, subject), generate(subject)
        if not path.exists() or _bare(_read(path)) == _bare(generated):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(generated), indent=2) + b"\n")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="JSON Schemas of all messages")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="write files that are missing")
    choice.add_argument("--check", action="store_true", help="compare the files with the structs")
    parser.add_argument("--root", type=Path, default=ROOT)
    options = parser.parse_args(arguments)
    if options.write:
        write(options.root)
    problems = check(options.root)
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


def _problems(root: Path, subject: Subject) -> list[str]:
    path, generated = _path(root, subject), generate(subject)
    if not path.exists():
        return [f"{subject.schema} is missing; run `python -m streams.messages.schema --write`"]
    major = subject.version.partition(".")[0]
    found = [
        f"{subject.name} cannot follow {file.stem}: {problem}; that needs major {int(major) + 1} and a topic"
        for file in sorted(path.parent.glob(f"{major}.*.json"))
        for problem in breaks(_read(file), generated)
    ]
    if not found and _bare(_read(path)) != _bare(generated):
        found.append(f"{subject.schema} has changed; raise its minor version in subjects.py and --write")
    return found


def _path(root: Path, subject: Subject) -> Path:
    return root / subject.name / f"{subject.version}.json"


def _read(path: Path) -> Schema:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def _bare(value: Any) -> Any:
    """Without descriptions, which promise nothing; a field of that name is a dict and stays."""
    if isinstance(value, list):
        return [_bare(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {name: _bare(item) for name, item in items if name != "description" or isinstance(item, dict)}
    return value


if __name__ == "__main__":
    sys.exit(main())
