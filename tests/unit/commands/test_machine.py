"""What a machine must have: the README's programs, the built parts, room."""

import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.commands import machine
from streams.commands.machine import Need, Probe, needs
from streams.devnet import anvil, install, kafka, object_store

ROOT = Path(__file__).parents[3]
COMMANDS = {
    "cargo": f"Rust {'.'.join(map(str, machine.RUST_MIN))} or newer (cargo)",
    "cc": "C compiler",
    "java": "Java 17",
    "mvn": "Maven",
    "node": "Node",
    "npm": "npm",
    "go": "Go",
}
JAVA = 'openjdk version "{}.0.15" 2025-04-15\nOpenJDK Runtime Environment'


def probe(
    *found: str, said: str = "", memory_bytes: int = 1 << 40, free_bytes: int = 1 << 40, servers: bool = True
) -> Probe:
    """A machine that has only these programs and modules."""
    here: Callable[[str], str | None] = lambda name: f"/bin/{name}" if name in found else None  # noqa: E731

    def parts() -> Iterator[tuple[str, bool]]:
        yield "Kafka", servers

    return Probe(here, here, lambda _path, _option: said, lambda: memory_bytes, lambda _: free_bytes, parts)


def missing(machine: Probe) -> dict[str, Need]:
    return {need.name: need for need in needs(machine) if not need.is_here}


def test_everything_that_the_readme_names_is_looked_for() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = " ".join(rows)
    assert all(text in named for text in COMMANDS.values())
    assert set(COMMANDS) | set(machine.WHEELS) == set(missing(probe()))


def test_what_is_there_is_not_missing() -> None:
    lacking = missing(probe("cargo", "cipherstream_tfhe"))
    assert "cargo" not in lacking
    assert "cipherstream_tfhe" not in lacking


def test_whatever_lacks_has_a_remedy() -> None:
    lacking = missing(probe(memory_bytes=1, free_bytes=1, servers=False))
    assert {"memory", "disk", "Kafka", *COMMANDS} <= set(lacking)
    assert all(need.remedy and need.use for need in lacking.values())


def test_this_system_and_this_python_will_do() -> None:
    assert not {name for name in missing(probe()) if name.startswith(("Linux", "Python"))}


def test_another_python_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert "Python" in missing(probe())


@pytest.mark.parametrize(("version", "is_here"), [("8", False), ("11", False), ("17", True), ("21", True)])
def test_an_old_java_is_missing(version: str, is_here: bool) -> None:
    lacking = missing(probe("java", said=JAVA.format(version)))
    assert ("java" not in lacking) is is_here
    if not is_here:
        assert lacking["java"].found == version
        assert "17 or newer" in lacking["java"].remedy


@pytest.mark.parametrize(("version", "is_here"), [("1.80.1", False), ("1.91.0", False), ("1.91.1", True)])
def test_an_old_rust_is_missing(version: str, is_here: bool) -> None:
    assert ("cargo" not in missing(probe("cargo", said=f"cargo {version} (abc 2026-01-01)"))) is is_here


@pytest.mark.parametrize("said", ["", "no such option"])
def test_a_program_that_does_not_tell_its_version_is_believed(said: str) -> None:
    assert not {"cargo", "java"} & set(missing(probe("cargo", "java", said=said)))


def test_the_least_rust_is_that_of_the_native_code() -> None:
    package = tomllib.loads((ROOT / "native/Cargo.toml").read_text())["workspace"]["package"]
    assert package["rust-version"] == ".".join(map(str, machine.RUST_MIN))


def test_a_program_is_asked_on_both_outputs(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho $1 >&2\necho out\n")
    program.chmod(0o755)
    assert sorted(Probe().ask(str(program), "-version").split()) == ["-version", "out"]
    assert Probe().ask(str(tmp_path / "gone"), "-version") == ""


@pytest.mark.parametrize(("bound", "expected"), [("max\n", None), ("1000000\n", 1_000_000), (None, None)])
def test_a_container_s_bound_counts_as_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str | None, expected: int | None
) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path / "memory.max")
    whole = machine.memory_bytes()
    if bound is not None:
        (tmp_path / "memory.max").write_text(bound)
    assert machine.memory_bytes() == (expected or whole)
    assert whole > 1_000_000


def test_the_room_of_a_folder_that_will_be_made_is_that_of_its_parents(tmp_path: Path) -> None:
    assert machine.free_bytes(tmp_path / "not" / "yet") > 0


def test_an_empty_cache_has_no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = dict(machine.servers())
    assert found == {"Kafka": False, "anvil": False, "S3 server": False, "Postgres": True}
    assert list(tmp_path.iterdir()) == []  # looking fetches nothing


def test_a_server_is_here_once_it_was_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fetch(folder: Path, _build: object) -> Path:
        folder.mkdir(parents=True)
        return folder

    monkeypatch.setattr(install, "once", fetch)
    anvil.install()
    object_store.install()
    assert (anvil.is_installed(), object_store.is_installed(), kafka.is_installed()) == (True, True, False)
