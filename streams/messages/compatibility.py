"""Whether a schema may follow another within one major version.

Old records must decode with new code and new records with old code: both run at once during an upgrade. So a
field may only be added with a default, and a union of tagged structs may only gain a variant.
"""

from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]

_LEAF: Final = ("type", "enum", "const", "format", "contentEncoding", "pattern")
_BOUNDS: Final = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def breaks(old: Schema, new: Schema) -> list[str]:
    """What is incompatible, each with its place; empty when `new` may follow `old`."""
    return list(_Comparison(old, new).compare(old, new, "$"))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old: Schema = old.get("$defs", {})
        self._new: Schema = new.get("$defs", {})

    def compare(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        old, new = _resolve(old, self._old), _resolve(new, self._new)
        before, after = _variants(old, self._old), _variants(new, self._new)
        if before and after:
            yield from self._union(before, after, path)
        elif "anyOf" in old or "anyOf" in new:
            yield from self._options(old, new, path)
        else:
            yield from self._plain(old, new, path)

    def _union(self, old: dict[str, Schema], new: dict[str, Schema], path: str) -> Iterator[str]:
        for tag, schema in old.items():
            if tag in new:
                yield from self._plain(schema, new[tag], f"{path}<{tag}>")
            else:
                yield f"{path}: variant {tag} was removed"

    def _options(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before = {_kind(_resolve(option, self._old)): option for option in old.get("anyOf", [old])}
        after = {_kind(_resolve(option, self._new)): option for option in new.get("anyOf", [new])}
        if before.keys() != after.keys():
            yield f"{path}: {' or '.join(sorted(before))} became {' or '.join(sorted(after))}"
            return
        for kind, option in before.items():
            yield from self.compare(option, after[kind], path)

    def _plain(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        for name in (*_LEAF, *_BOUNDS):
            if old.get(name) != new.get(name):
                yield f"{path}: {name} {old.get(name)} became {new.get(name)}"
        yield from self._fields(old, new, path)
        if old.get("items") and new.get("items"):
            yield from self.compare(old["items"], new["items"], f"{path}[]")

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        before: Schema = old.get("properties", {})
        after: Schema = new.get("properties", {})
        for name in before:
            if name in after:
                yield from self.compare(before[name], after[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: the field was removed"
        for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
            yield f"{path}.{name}: the field is newly required"
        for name in sorted((set(old.get("required", ())) - set(new.get("required", ()))) & after.keys()):
            yield f"{path}.{name}: the field is no longer required"


def _resolve(schema: Schema, definitions: Schema) -> Schema:
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def _variants(schema: Schema, definitions: Schema) -> dict[str, Schema]:
    """Tagged structs by tag; a single one is a union that may grow."""
    options = schema["anyOf"] if "discriminator" in schema else [schema]
    resolved = [_resolve(option, definitions) for option in options]
    tags = [option.get("properties", {}).get("type", {}).get("enum", ()) for option in resolved]
    if any(len(tag) != 1 for tag in tags):
        return {}
    return {str(tag[0]): option for tag, option in zip(tags, resolved, strict=True)}


def _kind(schema: Schema) -> str:
    return str(schema.get("title") or schema.get("type") or schema.get("enum"))
