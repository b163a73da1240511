"""The first command of a new user: which Python it takes, and what it says about another."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    return tmp_path


def python_of(clone: Path, version: tuple[int, int]) -> Path:
    """Says that it is this version, and does nothing else than `-c`."""
    script = clone / "python-of-another-version"
    code = f"import sys; sys.version_info = {(*version, 0)}; exec(sys.argv[1])"
    script.write_text(f'#!/bin/sh\n[ "$1" = -c ] || exit 7\nexec {sys.executable} -c "{code}" "$2"\n')
    script.chmod(0o755)
    return script


def make(clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", "--no-print-directory", "-C", str(clone), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", [(3, 10), (3, 13), (4, 0)])
def test_a_python_without_wheels_is_refused_at_once(clone: Path, version: tuple[int, int]) -> None:
    result = make(clone, "install", f"PYTHON={python_of(clone, version)}")
    assert result.returncode != 0
    assert result.stderr.startswith(f"Python 3.11 or 3.12 is needed, not {version[0]}.{version[1]}")
    assert not (clone / ".venv").exists()


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_a_python_with_wheels_makes_the_environment(clone: Path, version: tuple[int, int]) -> None:
    result = make(clone, "install", f"PYTHON={python_of(clone, version)}")
    assert "Error 7" in result.stderr  # ours makes none, but it was asked to
    assert "is needed" not in result.stderr


def test_an_environment_of_another_version_is_refused_too(clone: Path) -> None:
    (clone / ".venv/bin").mkdir(parents=True)
    python_of(clone, (3, 13)).rename(clone / ".venv/bin/python")
    assert "not 3.13" in make(clone, "install").stderr


def test_the_kernel_is_tested_where_its_wheel_was_built(clone: Path) -> None:
    shown = make(clone, "--dry-run", "test-kernel", f"XDG_CACHE_HOME={clone}").stdout
    assert f'CARGO_TARGET_DIR="{clone}/cipherstream/target" RUSTFLAGS= cargo test --release --locked' in shown
    assert "cargo test" in make(clone, "--dry-run", "test").stdout
