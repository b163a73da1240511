"""What the demonstration reads with the client key, on clear numbers."""

from pathlib import Path

import pytest

from streams.devnet.client import decrypt_stored
from streams.domain.errors import OperationError
from streams.fhe import clear
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import ClearValue


def test_a_stored_value_of_the_clear_engine_is_read(tmp_path: Path) -> None:
    ct64 = clear.encode(clear.STORED, ClearValue(5, 1_117))
    assert decrypt_stored("clear", tmp_path / "none", KeyFiles(tmp_path), ct64, 5) == 1_117


@pytest.mark.parametrize("ct64", [b"", clear.encode(clear.SQUASHED, ClearValue(5, 1))])
def test_other_bytes_are_refused(tmp_path: Path, ct64: bytes) -> None:
    with pytest.raises(OperationError):
        decrypt_stored("clear", tmp_path / "none", KeyFiles(tmp_path), ct64, 5)
