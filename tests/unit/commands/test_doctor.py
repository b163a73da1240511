"""`doctor` as an operator reads it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import doctor, machine, reach
from streams.commands.machine import WHEELS, Need
from streams.fhe import tfhe_rs
from streams.fhe.devices import concrete_runtime
from streams.fhe.devices.cuda import cupy_gpu

Run = Callable[..., Any]
HERE = tuple(Need(name=name, is_here=True, use="numbers", remedy="`make install`") for name in WHEELS)
GONE = Need(name="cipherstream_tfhe", is_here=False, use="numbers", remedy="`make install`")
OLD_JAVA = Need(name="java", is_here=False, found="11", use="Kafka", remedy="a newer one")
UNSET = Need(name="settings", is_here=False, is_needed=False, use="services", remedy="write one")


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CIPHERSTREAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command on a machine that has this."""

    def run(
        *found: Need, options: tuple[str, ...] = (), settings: Need = UNSET, instructions: str = "avx512"
    ) -> Any:
        monkeypatch.setattr(machine, "needs", lambda: iter(found))
        monkeypatch.setattr(tfhe_rs, "instruction_set", lambda: instructions)
        monkeypatch.setattr(doctor, "deployment", lambda: (settings,))
        return CliRunner().invoke(app, ["doctor", *options])

    return run


def test_a_machine_that_has_everything_passes(run: Run) -> None:
    result = run(*HERE)
    assert result.exit_code == 0
    assert re.search("cipherstream_tfhe +here", result.stdout)


@pytest.mark.parametrize("options", [(), ("--known-answers", "file")])
def test_a_missing_wheel_is_said_without_loading_it(run: Run, options: tuple[str, ...]) -> None:
    result = run(*HERE[1:], GONE, options=options)
    assert result.exit_code == 1
    assert re.search("cipherstream_tfhe +missing", result.stdout)
    assert "cipherstream_tfhe: `make install`" in result.stdout


def test_what_is_too_old_is_told_with_its_version_and_what_helps(run: Run) -> None:
    result = run(*HERE, OLD_JAVA)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2:] == ["java: 11; a newer one", "settings: write one"]


def test_what_nobody_needs_is_no_failure(run: Run) -> None:
    result = run(*HERE)
    assert re.search("settings +none", result.stdout)
    assert "missing" not in result.stdout


def test_what_the_settings_name_counts(run: Run) -> None:
    result = run(*HERE, settings=Need(name="broker", is_here=False, use="facts", remedy="start it"))
    assert (result.exit_code, "broker: start it" in result.stdout) == (1, True)


def test_a_machine_gets_everything(run: Run) -> None:
    result = run(*HERE, OLD_JAVA, options=("--json",))
    assert result.exit_code == 1
    found = {one["name"]: one for one in json.loads(result.stdout)}
    assert set(found) == {*WHEELS, "AVX-512", "java", "settings"}
    assert found["java"]["is_here"] is False
    assert found["java"]["remedy"] == "a newer one"


def test_the_instruction_set_in_use_is_told(run: Run) -> None:
    result = run(*HERE)
    assert "instruction set in use: avx512" in result.stderr
    assert "WARNING" not in result.stderr
    assert re.search("AVX-512 +here +avx512", result.stdout)


def test_a_processor_without_avx_512_is_told_loudly_and_works_on(run: Run) -> None:
    result = run(*HERE, instructions="avx2")
    assert result.exit_code == 0
    warnings = [line for line in result.stderr.splitlines() if line.startswith("WARNING: ")]
    assert "no AVX-512 but avx2" in warnings[0]
    assert "other bytes than the network" in warnings[-1]
    assert "AVX-512: avx2; a processor that has it" in result.stdout


def test_a_machine_is_told_of_the_instruction_set_in_its_document(run: Run) -> None:
    result = run(*HERE, options=("--json",), instructions="avx2")
    found = {one["name"]: one for one in json.loads(result.stdout)}
    assert (found["AVX-512"]["is_here"], found["AVX-512"]["found"]) == (False, "avx2")


def test_without_settings_nobody_is_asked() -> None:
    (only,) = doctor.deployment()
    assert (only.name, only.is_here, only.is_needed) == ("settings", False, False)
    assert "devnet up" in only.remedy


def test_wrong_settings_are_told_by_their_name(tmp_path: Path) -> None:
    (tmp_path / "cipherstream.toml").write_text("[kafka]\nbootstrp = 'x'")
    (only,) = doctor.deployment()
    assert not only.is_here
    assert only.is_needed
    assert "kafka.bootstrp" in only.found


def test_a_settings_file_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPHERSTREAM_CONFIG", "gone.toml")
    (only,) = doctor.deployment()
    assert "gone.toml" in only.found


def test_settings_that_are_given_are_followed(tmp_path: Path) -> None:
    port = 1  # nobody listens
    (tmp_path / "cipherstream.toml").write_text(
        f"[kafka]\nbootstrap = '127.0.0.1:{port}'\n"
        f"[postgres]\nurl = 'postgresql://u:hidden@127.0.0.1:{port}/d'\n"
        f"[gateway]\nhttp_url = 'http://127.0.0.1:{port}/hidden'\n"
        "[signer]\nprivate_key_file = 'signer.key'\n"
    )
    settings, *asked = doctor.deployment()
    assert settings.is_here
    assert {need.name: need.is_here for need in asked} == {
        "broker": False,
        "database": False,
        "object store": True,
        "gateway": False,
        "device": True,
        "signer's key": False,
    }
    assert "hidden" not in str(asked)
    assert all(need.remedy for need in asked if not need.is_here)


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("name = 'wave'\ndevice = 'cuda'", "the device cuda needs CuPy: install"),
        ("name = 'wave'\ngpu_enabled = true", "the device cuda needs CuPy: install"),
        ("name = 'wave'\ndevice = 'concrete'", "the device concrete needs concrete-python"),
        ("name = 'tfhe-rs'\ndevice = 'cuda'", "the engine tfhe-rs does not compute on cuda"),
    ],
)
def test_a_device_that_is_not_here_is_told_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, told: str
) -> None:
    cupy_gpu.fleet.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(concrete_runtime, "DISTRIBUTION", "concrete-python-of-nobody")
    (tmp_path / "cipherstream.toml").write_text(f"[engine]\n{engine}\n")
    (device,) = (need for need in doctor.deployment() if need.name == "device")
    assert not device.is_here
    assert told in device.found


@pytest.mark.parametrize(
    ("variable", "is_given"),
    [("DATABASE_URL", True), ("CIPHERSTREAM_KAFKA__BOOTSTRAP", True), ("CIPHERSTREAM_STATE", False)],
)
def test_variables_are_settings_too(monkeypatch: pytest.MonkeyPatch, variable: str, is_given: bool) -> None:
    assert not reach.are_given(None)
    monkeypatch.setenv(variable, "something")
    assert reach.are_given(None) is is_given


def test_looking_loads_no_engine() -> None:
    code = (
        "import sys; from streams.commands import doctor, machine; tuple(machine.needs());"
        "sys.exit(any(name.startswith('cipherstream_') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
