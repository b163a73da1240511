"""The key of re-randomisation: used where it lies, refused where its length is another one."""

import mmap
from pathlib import Path

import cipherstream_kernel as kernel
import numpy as np
import pytest

from tests.unit.fhe.kernel.client import BIG, Words, words

WORD_BYTES = 8


@pytest.fixture(scope="module")
def rows() -> Words:
    made = words(np.random.default_rng(3), BIG, BIG + 1)
    made.flags.writeable = False
    return made


def test_a_mapped_file_is_used_where_it_lies(rows: Words, tmp_path: Path) -> None:
    # Behind something else, as in the file of `wave/keys`, and not on a cache line.
    path, before = tmp_path / "public", b"\0" * WORD_BYTES
    path.write_bytes(before + bytes(rows.nbytes))
    with path.open("rb") as file:
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    key = kernel.ReRandomisingKey.attach(np.frombuffer(mapping, np.uint64)[1:])
    with path.open("r+b") as file:  # a copy would not see what is written now
        file.write(before + rows.tobytes())
    given = words(np.random.default_rng(4), 2, BIG + 1)
    assert key.switch(given) == kernel.ReRandomisingKey.attach(rows).switch(given)
    with pytest.raises(BufferError):
        mapping.close()
    del key
    mapping.close()


def test_writable_words_are_refused(rows: Words) -> None:
    with pytest.raises(ValueError, match="read-only"):
        kernel.ReRandomisingKey.attach(rows.copy())


@pytest.mark.parametrize("count", [0, BIG * (BIG + 1) - 1, BIG * (BIG + 1) + 1])
def test_rows_of_another_length_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} elements, 4196352 are due"):
        kernel.ReRandomisingKey.attach(np.frombuffer(bytes(WORD_BYTES * count), np.uint64))


def test_parts_of_ciphertexts_are_refused(rows: Words) -> None:
    key = kernel.ReRandomisingKey.attach(rows)
    for count in (1, BIG, BIG + 2):
        with pytest.raises(ValueError, match="the ciphertexts"):
            key.switch(np.zeros(count, np.uint64))


def test_an_instruction_set_that_is_not_there_is_refused(rows: Words) -> None:
    with pytest.raises(ValueError, match="no instruction set"):
        kernel.ReRandomisingKey.attach(rows).switch(np.zeros(BIG + 1, np.uint64), path="mmx")
