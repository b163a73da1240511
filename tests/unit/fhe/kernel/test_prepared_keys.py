"""Prepared keys: written once, mapped afterwards, refused when they are damaged."""

import mmap
from pathlib import Path

import cipherstream_kernel as kernel
import numpy as np
import pytest

from tests.unit.fhe.kernel.client import BIG, Words, table
from tests.unit.fhe.kernel.conftest import DIMENSION, Keys

HEADER_BYTES = 64


def mapped(path: Path, data: bytes) -> mmap.mmap:
    """The bytes as a file that is mapped read-only."""
    path.write_bytes(data)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def run(keyswitch: kernel.KeyswitchKey, bootstrap: kernel.BootstrapKey, lwes: Words) -> bytes:
    """A look-up of two ciphertexts."""
    reads = np.array([[0, 0], [1, 0]], np.uint32)
    tables, table_of = table(list(range(16))), np.zeros(2, np.uint32)
    return kernel.keyswitch_bootstrap(lwes[:2], tables, table_of, reads, keyswitch, bootstrap)


def test_mapped_keys_give_the_same_bytes(keys: Keys, lwes: Words, tmp_path: Path) -> None:
    keyswitch = kernel.KeyswitchKey.attach(mapped(tmp_path / "ksk", keys.keyswitch.to_bytes()))
    bootstrap = kernel.BootstrapKey.attach(mapped(tmp_path / "bsk", keys.bootstrap.to_bytes()))
    assert (keyswitch.dimension, bootstrap.dimension) == (DIMENSION, DIMENSION)
    assert run(keyswitch, bootstrap, lwes) == run(keys.keyswitch, keys.bootstrap, lwes)


def test_a_mapping_lives_as_long_as_its_key(keys: Keys, tmp_path: Path) -> None:
    mapping = mapped(tmp_path / "bsk", keys.bootstrap.to_bytes())
    bootstrap = kernel.BootstrapKey.attach(mapping)
    with pytest.raises(BufferError):
        mapping.close()
    del bootstrap
    mapping.close()


def test_bytes_in_memory_are_taken_too(keys: Keys, lwes: Words) -> None:
    bootstrap = kernel.BootstrapKey.attach(keys.bootstrap.to_bytes())
    assert run(keys.keyswitch, bootstrap, lwes) == run(keys.keyswitch, keys.bootstrap, lwes)


def test_every_path_prepares_the_same_bytes(keys: Keys) -> None:
    for path in kernel.instruction_sets():
        other = kernel.BootstrapKey.prepare(keys.standard_bootstrap, DIMENSION, path=path)
        assert other.to_bytes() == keys.bootstrap.to_bytes(), path


def test_the_header_tells_the_shape(keys: Keys) -> None:
    data = keys.bootstrap.to_bytes()
    fields = np.frombuffer(data[8:HEADER_BYTES], np.uint64).tolist()
    assert data[:8] == b"CSBSK\0\x01\0"
    assert fields == [DIMENSION, BIG, 0, 0, 0, len(data) - HEADER_BYTES, 0]
    assert len(data) == HEADER_BYTES + DIMENSION * 65536


def test_a_packing_key_survives_its_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    standard = random.integers(0, 2**64, BIG * 3 * 2 * 8, np.uint64)
    key = kernel.PackingKey.prepare(standard, 1, 8, 3)
    lwes = random.integers(0, 2**64, (4, BIG + 1), np.uint64)
    attached = kernel.PackingKey.attach(mapped(tmp_path / "pack", key.to_bytes()))
    assert attached.pack(lwes) == key.pack(lwes)


def test_writable_bytes_are_refused(keys: Keys) -> None:
    with pytest.raises(ValueError, match="read-only"):
        kernel.BootstrapKey.attach(bytearray(keys.bootstrap.to_bytes()))


@pytest.mark.parametrize("size", [0, 8, HEADER_BYTES, -1])
def test_cut_bytes_are_refused(keys: Keys, size: int) -> None:
    with pytest.raises(ValueError):
        kernel.BootstrapKey.attach(keys.bootstrap.to_bytes()[:size])
    with pytest.raises(ValueError):
        kernel.KeyswitchKey.attach(keys.keyswitch.to_bytes()[:size])


def test_one_kind_of_key_is_not_another(keys: Keys) -> None:
    with pytest.raises(ValueError, match="not a prepared key of this kind"):
        kernel.BootstrapKey.attach(keys.keyswitch.to_bytes())
    with pytest.raises(ValueError, match="not a packing key"):
        kernel.PackingKey.attach(keys.keyswitch.to_bytes())


@pytest.mark.parametrize(("words", "dimension"), [(4 * BIG - 1, 1), (4 * BIG, 2), (0, 0), (0, 2**40)])
def test_arrays_of_the_wrong_length_are_refused(words: int, dimension: int) -> None:
    with pytest.raises(ValueError):
        kernel.BootstrapKey.prepare(np.zeros(words, np.uint64), dimension)
    with pytest.raises(ValueError):
        kernel.KeyswitchKey.prepare(np.zeros(words, np.uint64), dimension)
