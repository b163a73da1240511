"""Look-ups through the wheel: decrypted values, and equal bytes whatever the path, threads and batch."""

import threading

import cipherstream_kernel as kernel
import numpy as np
import pytest

from tests.unit.fhe.kernel.client import BIG, Words, table
from tests.unit.fhe.kernel.conftest import DIMENSION, Keys

SQUARES = [m * m % 16 for m in range(16)]
SUCCESSORS = [(m + 1) % 16 for m in range(16)]
TABLES = np.stack([table(SQUARES), table(SUCCESSORS)])


def reads_at(positions: list[int], batch: int) -> np.ndarray:
    """Each position of each ciphertext."""
    return np.array([(c, p) for c in range(batch) for p in positions], np.uint32)


def look_up(keys: Keys, lwes: Words, table_of: np.ndarray, reads: np.ndarray, **options: object) -> bytes:
    """`keyswitch_bootstrap` with the tables of this module."""
    arrays = (lwes, TABLES, table_of.astype(np.uint32), reads)
    return kernel.keyswitch_bootstrap(*arrays, keys.keyswitch, keys.bootstrap, **options)


def as_lwes(data: bytes) -> Words:
    """(outputs, 2049)"""
    return np.frombuffer(data, np.uint64).reshape(-1, BIG + 1)


def test_each_ciphertext_gets_its_table(keys: Keys, lwes: Words) -> None:
    out = look_up(keys, lwes, np.arange(16) % 2, reads_at([0], 16), threads=2)
    expected = [SUCCESSORS[m] if m % 2 else SQUARES[m] for m in range(16)]
    assert keys.client.decrypt(as_lwes(out)).tolist() == expected


def test_one_bootstrap_answers_several_reads(keys: Keys, lwes: Words) -> None:
    out = look_up(keys, lwes[:4], np.zeros(4), reads_at([0, 128, 1024], 4))
    expected = [SQUARES[m + further] for m in range(4) for further in (0, 1, 8)]
    assert keys.client.decrypt(as_lwes(out)).tolist() == expected


def test_a_ciphertext_without_a_read_gives_nothing(keys: Keys, lwes: Words) -> None:
    whole = as_lwes(look_up(keys, lwes[:3], np.zeros(3), reads_at([0], 3)))
    some = as_lwes(look_up(keys, lwes[:3], np.zeros(3), np.array([[2, 0]], np.uint32), threads=3))
    assert np.array_equal(some, whole[2:])


def test_an_empty_batch_gives_no_bytes(keys: Keys) -> None:
    nothing = np.empty(0, np.uint64)
    assert look_up(keys, nothing, np.empty(0), np.empty(0, np.uint32), threads=8) == b""


@pytest.mark.parametrize("path", kernel.instruction_sets())
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_bytes_do_not_depend_on_path_or_threads(keys: Keys, lwes: Words, path: str, threads: int) -> None:
    arguments = (lwes[:5], np.arange(5) % 2, reads_at([0, 300], 5))
    assert look_up(keys, *arguments, path=path, threads=threads) == look_up(keys, *arguments)


@pytest.mark.parametrize("batch", [1, 2, 7, 8, 9, 16])
def test_bytes_do_not_depend_on_the_batch(keys: Keys, lwes: Words, batch: int) -> None:
    whole = as_lwes(look_up(keys, lwes, np.zeros(16), reads_at([0], 16)))
    part = as_lwes(look_up(keys, lwes[:batch], np.zeros(batch), reads_at([0], batch)))
    assert np.array_equal(part, whole[:batch])


def test_the_steps_make_the_whole(keys: Keys, lwes: Words) -> None:
    table_of, reads = np.zeros(16, np.uint32), reads_at([0], 16)
    small = np.frombuffer(keys.keyswitch.keyswitch(lwes, threads=2), np.uint64)
    amounts = np.frombuffer(kernel.modulus_switch(small, DIMENSION), np.uint16)
    steps = keys.bootstrap.bootstrap(amounts, TABLES, table_of, reads)
    assert steps == look_up(keys, lwes, table_of, reads)


def test_two_threads_of_python_work_at_once(keys: Keys, lwes: Words) -> None:
    results: list[bytes] = []
    arguments = (keys, lwes, np.zeros(16), reads_at([0], 16))
    threads = [threading.Thread(target=lambda: results.append(look_up(*arguments))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [look_up(*arguments)] * 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lwes": np.zeros(2050, np.uint64)}, "2050 elements, 2049 are due"),
        ({"tables": np.zeros(2047, np.uint64)}, "the tables"),
        ({"tables": np.ones(2048, np.uint64)}, "too fine"),
        ({"table_of": np.array([1], np.uint32)}, "no such table"),
        ({"reads": np.array([0], np.uint32)}, "pairs"),
        ({"reads": np.array([[0, 2048]], np.uint32)}, "outside"),
        ({"path": "altivec"}, "altivec"),
    ],
)
def test_wrong_input_is_refused_with_a_sentence(keys: Keys, change: dict[str, object], sentence: str) -> None:
    good = {
        "lwes": np.zeros(2049, np.uint64),
        "tables": np.zeros(2048, np.uint64),
        "table_of": np.zeros(1, np.uint32),
        "reads": np.zeros((1, 2), np.uint32),
    }
    with pytest.raises(ValueError, match=sentence):
        kernel.keyswitch_bootstrap(
            **{**good, **change}, keyswitch_key=keys.keyswitch, bootstrap_key=keys.bootstrap
        )


def test_keys_of_different_sizes_are_refused(keys: Keys, lwes: Words) -> None:
    other = kernel.BootstrapKey.prepare(np.zeros(4 * BIG, np.uint64), 1)
    arrays = (lwes, TABLES, np.zeros(16, np.uint32), reads_at([0], 16))
    with pytest.raises(ValueError, match="25 elements, 2 are due"):
        kernel.keyswitch_bootstrap(*arrays, keys.keyswitch, other)


def test_arrays_of_another_type_are_refused(keys: Keys, lwes: Words) -> None:
    with pytest.raises(BufferError):
        keys.keyswitch.keyswitch(lwes.astype(np.float64))
