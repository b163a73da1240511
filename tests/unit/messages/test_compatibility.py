"""What may follow within a major version, and what may not."""

from typing import Any

import msgspec
import pytest

from streams.messages.compatibility import breaks


class Inner(msgspec.Struct):
    """A part."""

    digest: bytes


class Wide(msgspec.Struct):
    """A part with one more optional field."""

    digest: bytes
    note: str = ""


class Retyped(msgspec.Struct):
    """A part with another type."""

    digest: int


class Base(msgspec.Struct, tag="a"):
    """The released message."""

    name: str
    parts: tuple[Inner, ...]
    one: Inner | None = None
    count: int = 0


class MoreOptional(msgspec.Struct, tag="a"):
    """One more field, optional."""

    name: str
    parts: tuple[Inner, ...]
    one: Inner | None = None
    count: int = 0
    note: str | None = None


class WiderPart(msgspec.Struct, tag="a"):
    """One more optional field in a part."""

    name: str
    parts: tuple[Wide, ...]
    one: Inner | None = None
    count: int = 0


class Removed(msgspec.Struct, tag="a"):
    """A field less."""

    name: str
    parts: tuple[Inner, ...]
    one: Inner | None = None


class NewRequired(msgspec.Struct, tag="a"):
    """A field more, and required."""

    name: str
    parts: tuple[Inner, ...]
    must: str
    one: Inner | None = None
    count: int = 0


class NoLongerRequired(msgspec.Struct, tag="a"):
    """A field that writers may leave out now."""

    parts: tuple[Inner, ...]
    name: str = ""
    one: Inner | None = None
    count: int = 0


class OtherType(msgspec.Struct, tag="a"):
    """A field with another type."""

    name: bytes
    parts: tuple[Inner, ...]
    one: Inner | None = None
    count: int = 0


class OtherPart(msgspec.Struct, tag="a"):
    """Another type inside a list."""

    name: str
    parts: tuple[Retyped, ...]
    one: Inner | None = None
    count: int = 0


class NotNull(msgspec.Struct, tag="a"):
    """A field that is never null now."""

    name: str
    parts: tuple[Inner, ...]
    one: Inner
    count: int = 0


class Nullable(msgspec.Struct, tag="a"):
    """A field that may be null now."""

    name: str | None
    parts: tuple[Inner, ...]
    one: Inner | None = None
    count: int = 0


class Variant(msgspec.Struct, tag="b"):
    """Another variant."""

    name: str


def found(old: Any, new: Any) -> list[str]:
    return breaks(msgspec.json.schema(old), msgspec.json.schema(new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Base, Base),
        (Base, MoreOptional),
        (Base, WiderPart),
        (Base, Base | Variant),
        (Base | Variant, WiderPart | Variant),
    ],
)
def test_compatible(old: Any, new: Any) -> None:
    assert found(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (Base, Removed, "$<a>.count: the field was removed"),
        (Base, NewRequired, "$<a>.must: the field is newly required"),
        (Base, NoLongerRequired, "$<a>.name: the field is no longer required"),
        (Base, OtherType, "$<a>.name: contentEncoding None became base64"),
        (Base, OtherPart, "$<a>.parts[].digest: type string became integer"),
        (Base, Nullable, "$<a>.name: string became null or string"),
        (Base | Variant, Base, "$: variant b was removed"),
        (Variant, Base, "$: variant b was removed"),
    ],
)
def test_incompatible(old: Any, new: Any, problem: str) -> None:
    assert problem in found(old, new)


def test_field_that_loses_null_is_incompatible() -> None:
    assert any(problem.startswith("$<a>.one") for problem in found(Base, NotNull))


def test_bounds_and_enums_are_types_too() -> None:
    assert breaks({"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}) != []
    assert breaks({"enum": ["a", "b"]}, {"enum": ["a"]}) != []
    assert breaks({"enum": ["a"]}, {"enum": ["a", "b"]}) != []
