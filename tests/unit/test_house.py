"""Rules of the house that a machine can check, over everything that git tracks."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES_MAX = 800
# In pieces, so that this file does not name what it looks for.
HOSTS = (
    "py" + "pi",
    "files.python" + "hosted",
    "registry.",
    "repo1?.maven",
    "proxy.golang",
    "(index|static).crates",
)
OUTSIDE = "../" + "shared"


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--", *patterns], cwd=ROOT, capture_output=True, check=True
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts(*patterns: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in tracked(*patterns):
        body = path.read_bytes()
        if b"\0" not in body[:4096]:
            found.append((str(path.relative_to(ROOT)), body.decode()))
    return found


def test_git_tracks_this_tree() -> None:
    assert Path(__file__).resolve() in tracked("*.py")


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (("*.sql",), r"(?i)\b(un)?listen\b|\bnotify\b|pg_notify"),
        (("streams/*.py",), r"\bNOTIFY\b|\bLISTEN\b|pg_notify|add_listener\("),
    ],
)
def test_the_database_wakes_nobody(patterns: tuple[str, ...], words: str) -> None:
    assert [name for name, text in texts(*patterns) if re.search(words, text)] == []


def test_a_module_is_not_a_book() -> None:
    lengths = {name: text.count("\n") for name, text in texts("*.py")}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_no_registry_is_named() -> None:
    host = re.compile(rf"://[\w.-]*({'|'.join(HOSTS)})")
    assert [name for name, text in texts(":!*.lock.txt") if host.search(text)] == []


def test_the_lock_has_hashes_and_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "-index-url" not in lock
    assert "://" not in lock


@pytest.mark.parametrize("path", tracked("*package-lock.json"), ids=lambda path: path.parent.name)
def test_npm_locks_hold_digests_and_no_addresses(path: Path) -> None:
    packages = json.loads(path.read_text())["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert all("resolved" not in package for package in installed.values())
    assert all("integrity" in package for package in installed.values())


def test_nothing_reads_outside_the_clone() -> None:
    readers = [name for name, text in texts("*.py", "*.rs", "*.toml", "*.sh", "Makefile") if OUTSIDE in text]
    assert readers == []


def test_no_unfinished_work_is_tracked() -> None:
    marks = re.compile(
        r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + r"Error|mark\.(sk" + r"ip|xfail)"
    )
    assert [name for name, text in texts("*.py", "*.rs", "*.sol") if marks.search(text)] == []


def test_test_modules_have_names_of_their_own() -> None:
    names = [path.name for path in tracked("tests/*.py") if path.name not in ("conftest.py", "__init__.py")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []
