import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import doctor

README = Path(__file__).parents[3] / "README.md"
COMMANDS = {"cargo": "Rust (cargo)", "java": "Java", "mvn": "Maven", "node": "Node", "npm": "npm", "go": "Go"}


def missing(**found: bool) -> set[str]:
    """What is missing where only those exist."""
    return {need.name for need in doctor.needs(found.get, found.get) if not need.is_here}


def test_everything_that_the_readme_names_is_looked_for() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", README.read_text(), re.MULTILINE)
    named = " ".join(rows)
    assert all(text in named for text in COMMANDS.values())
    assert set(COMMANDS) <= missing()


def test_what_is_there_is_not_missing() -> None:
    assert "cargo" not in missing(cargo=True)
    assert "cipherstream_tfhe" not in missing(cipherstream_tfhe=True)


def test_this_system_and_this_python_will_do() -> None:
    assert not {name for name in missing() if name.startswith(("Linux", "Python"))}


def test_another_python_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert any(name.startswith("Python") for name in missing())


@pytest.mark.parametrize("options", [(), ("--known-answers", "file")])
def test_a_missing_wheel_is_said_without_loading_it(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    needs = tuple(
        doctor.needs(lambda _: "/bin/true", lambda name: None if name == "cipherstream_tfhe" else 1)
    )
    monkeypatch.setattr(doctor, "needs", lambda: iter(needs))
    result = CliRunner().invoke(app, ["doctor", *options])
    assert result.exit_code == 1
    assert re.search("cipherstream_tfhe +missing", result.stdout)


def test_looking_loads_no_engine() -> None:
    code = (
        "import sys; from streams.commands import doctor; tuple(doctor.needs());"
        "sys.exit(any(name.startswith('cipherstream_') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
