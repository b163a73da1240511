"""No setting is there for nothing: code of the product reads each, outside the settings' own module.

A field counts as read where a module that has its section in hand (by the class's name, or from `.section`)
reads an attribute of its name, or uses a function of the settings' module that does.
"""

import ast
from pathlib import Path

import pytest

from streams import settings
from streams.settings import Section, Settings

ROOT = Path(__file__).parents[2] / "streams"
SETTINGS = ROOT / "settings.py"
NOT_THE_PRODUCT = {ROOT / "devnet", ROOT / "bench"}  # they make settings

TELLERS = {"secrets_of"}  # read settings to hide them


class Module:
    """What a module reads: attributes, and names that it has."""

    def __init__(self, source: str) -> None:
        nodes = list(ast.walk(ast.parse(source)))
        attributes = [n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
        self.attributes = frozenset(attributes)
        self.names = frozenset(n.id for n in nodes if isinstance(n, ast.Name))

    def has(self, sections: frozenset[str], classes: frozenset[str]) -> bool:
        return bool(self.attributes & sections or self.names & classes)


def sections() -> dict[str, type[Section]]:
    """Section classes by the name of their field in the settings."""
    found: dict[str, type[Section]] = {}
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        found[name] = kind if isinstance(kind, type) and issubclass(kind, Section) else _of_tuple(name)
    return found


def _of_tuple(name: str) -> type[Section]:
    assert name == "host_chain"
    return settings.HostChainSettings


def product() -> list[Module]:
    files = (path for path in ROOT.rglob("*.py") if not NOT_THE_PRODUCT & set(path.parents))
    return [Module(path.read_text()) for path in files if path != SETTINGS]


def ways(kind: type[Section]) -> dict[str, set[str]]:
    """What reads each field: its own name, and functions of the settings' module that have it in hand."""
    found = {field: {field} for field in kind.model_fields}
    for node in ast.walk(ast.parse(SETTINGS.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name not in TELLERS:
            function = Module(ast.unparse(node))
            for field in function.attributes & found.keys():
                found[field].add(node.name)
    return found


def unread(name: str, kind: type[Section], modules: list[Module]) -> list[str]:
    """Fields of a section that nobody reads."""
    # A section may also be handed on under the name of a class above it.
    above = {base.__name__ for base in kind.__mro__ if issubclass(base, Section) and base is not Section}
    holders = [module for module in modules if module.has(frozenset({name}), frozenset(above))]
    read = frozenset[str]().union(*(module.attributes | module.names for module in holders))
    return [f"{name}.{field}" for field, readers in ways(kind).items() if not read & readers]


def test_every_setting_is_read_by_the_product() -> None:
    modules = product()
    assert [field for name, kind in sections().items() for field in unread(name, kind, modules)] == []


class Sham(settings.EngineSettings):
    """The engine's settings, and one that nobody reads."""

    device_that_nobody_reads: str = ""


def test_a_setting_that_nobody_reads_is_found() -> None:
    assert unread("engine", Sham, product()) == ["engine.device_that_nobody_reads"]


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f(engine: EngineSettings): return engine.workers", []),
        ("threads = settings.engine.workers", []),
        ("threads = pool.workers", ["engine.workers"]),
        ("settings.engine.workers = 3", ["engine.workers"]),
    ],
)
def test_what_counts_as_reading(source: str, missing: list[str]) -> None:
    everything = [f"engine.{field}" for field in settings.EngineSettings.model_fields]
    found = unread("engine", settings.EngineSettings, [Module(source)])
    assert [field for field in found if field == "engine.workers"] == missing
    assert set(found) <= set(everything)
