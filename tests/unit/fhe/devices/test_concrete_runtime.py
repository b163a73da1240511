"""A machine without the runtime, or with another one, is told so, and what to do."""

from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import cipherstream_kernel
import numpy as np
import pytest

from streams.domain.errors import DeviceMissing
from streams.fhe.devices.concrete import ConcreteDevice
from streams.fhe.devices.concrete_runtime import HOW, VERSION, Runtime, runtime
from streams.fhe.parameters import PINNED
from tests.unit.fhe.devices.sets import SMALL, keys_of


@pytest.fixture
def unloaded() -> Iterator[None]:
    runtime.cache_clear()
    yield
    runtime.cache_clear()


def installed(monkeypatch: pytest.MonkeyPatch, version: str, *files: Path) -> None:
    listed = [SimpleNamespace(name=file.name, locate=lambda file=file: file) for file in files]
    found = {"concrete-python": SimpleNamespace(version=version, files=listed)}
    monkeypatch.setattr(metadata, "distribution", found.__getitem__)


@pytest.mark.usefixtures("unloaded")
def test_without_the_package_the_device_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(DeviceMissing) as raised:
        ConcreteDevice.prepare(keys_of(SMALL)[1])
    assert str(raised.value) == f"the device concrete needs concrete-python: {HOW}"
    assert "pip install --no-deps concrete-python==" in HOW


@pytest.mark.usefixtures("unloaded")
def test_another_version_is_refused_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "2.9.0")
    with pytest.raises(DeviceMissing, match=f"needs concrete-python {VERSION}, not 2.9.0: pip install"):
        runtime()


@pytest.mark.usefixtures("unloaded")
def test_a_package_without_its_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, VERSION, Path("mlir/__init__.py"))
    with pytest.raises(DeviceMissing, match="without its library libConcretelangRuntime"):
        runtime()


@pytest.mark.usefixtures("unloaded")
def test_a_library_that_does_not_load_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = tmp_path / "libConcretelangRuntime-0.so"
    library.write_bytes(b"no library")
    installed(monkeypatch, VERSION, library)
    with pytest.raises(DeviceMissing, match=r"^libConcretelangRuntime-0.so is not the library of"):
        runtime()


def test_a_library_with_other_functions_is_refused() -> None:
    path = Path(cipherstream_kernel.__file__).parent
    (library,) = path.glob("*.so")
    with pytest.raises(DeviceMissing, match=f"{library.name} is not the library of concrete-python"):
        Runtime(library)


def test_the_library_is_loaded_once() -> None:
    assert runtime() is runtime()


def test_no_array_is_handed_over_whose_words_lie_apart() -> None:
    rows = np.asfortranarray(keys_of(SMALL)[1].key_switch.rows)
    with pytest.raises(AssertionError):
        runtime().key_switch(rows, PINNED.ks, np.zeros(257, np.uint64))
