"""Queries live in .sql files beside this module, each under its name and its purpose."""

import functools
import re
from collections.abc import Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\n-- (.+)\n", re.MULTILINE)


def parse(text: str) -> dict[str, str]:
    """Statements of a file by name; raises ValueError when one is unnamed, repeated or without purpose."""
    found = list(_NAME.finditer(text))
    if len(found) != text.count("-- name:"):
        raise ValueError("each query has a name and, on the next line, its purpose")
    ends = [match.start() for match in found[1:]] + [len(text)]
    queries = {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}
    if len(queries) != len(found):
        raise ValueError("two queries have the same name")
    return queries


@functools.cache
def load(file: str) -> Mapping[str, str]:
    """Statements of a file of this package by name."""
    return MappingProxyType(parse(resources.files(__package__ or "").joinpath(file).read_text("utf-8")))
