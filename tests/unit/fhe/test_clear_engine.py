from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.devnet.client import ClearDecryptor, ClearEncryptor
from streams.domain.errors import InvalidInput, KeyMaterialError, OperationError
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import clear, engines
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import PURPOSES, KeyFiles
from streams.fhe.suite import ClearValue, Encrypted, Expanded, Plain

U64, BOOL = FheType.UINT64, FheType.BOOL
AUX = bytes(range(92))
BLOB = bytes(32)
MAX = (1 << 64) - 1

numbers = st.integers(0, MAX)


class Zeros:
    """Entropy that is none."""

    def bytes(self, size: int) -> bytes:
        return bytes(size)


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    for purpose in PURPOSES:
        (tmp_path / purpose).write_bytes(CLEAR_MAGIC + bytes(32))
    return KeyFiles(tmp_path)


def stored(value: int, fhe_type: int = U64) -> Encrypted:
    return Encrypted(fhe_type, clear.encode(clear.STORED, ClearValue(fhe_type, value)))


def result(name: str, *operands: Encrypted | Plain, out: int = U64) -> int:
    ct64 = clear.ClearCompute().execute(BY_NAME[name].code, operands, out)
    return clear.decode(clear.STORED, ct64, out)


def word(value: int) -> Plain:
    return Plain(value.to_bytes(32, "big"))


@given(numbers, st.integers(0, (1 << 256) - 1))
def test_a_scalar_keeps_its_low_bytes(left: int, scalar: int) -> None:
    assert result("Add", stored(left), word(scalar)) == (left + scalar) & MAX


def test_a_short_scalar_has_zeros_in_front() -> None:
    assert result("Add", stored(1), Plain(b"\x02")) == 3


def test_a_scalar_bool_is_true_when_any_byte_is_set() -> None:
    assert result("BitAnd", stored(1, BOOL), word(1 << 200), out=BOOL) == 1
    assert result("Eq", stored(0, BOOL), word(0), out=BOOL) == 1


@pytest.mark.parametrize(("control", "expected"), [(1, 7), (0, 9)])
def test_select_takes_the_branch(control: int, expected: int) -> None:
    assert result("IfThenElse", stored(control, BOOL), stored(7), stored(9)) == expected


def test_select_of_bools() -> None:
    branches = (stored(0, BOOL), stored(1, BOOL))
    assert result("IfThenElse", stored(1, BOOL), *branches, out=BOOL) == 0


def test_trivial_encryption_takes_the_low_bytes() -> None:
    assert result("TrivialEncrypt", word((5 << 64) + 12), Plain(bytes((U64,)))) == 12


def test_trivial_bool_looks_at_the_last_byte_only() -> None:
    assert result("TrivialEncrypt", word(0x100), Plain(bytes((BOOL,))), out=BOOL) == 0
    assert result("TrivialEncrypt", word(0x102), Plain(bytes((BOOL,))), out=BOOL) == 1


def test_results_are_deterministic() -> None:
    add = BY_NAME["Add"].code
    suite = clear.ClearCompute()
    assert suite.execute(add, [stored(1), stored(2)], U64) == suite.execute(add, [stored(1), stored(2)], U64)


@pytest.mark.parametrize(
    "ct64",
    [b"", b"CLR1", b"CLR1\x05", b"CLRS\x05" + bytes(32), b"CLR1\x05" + bytes(33), b"\x03" + bytes(36)],
)
def test_other_bytes_are_refused(ct64: bytes) -> None:
    with pytest.raises(OperationError):
        result("Add", Encrypted(U64, ct64), stored(1))


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(OperationError, match="type 0, expected 5"):
        result("Add", Encrypted(U64, stored(1, BOOL).ct64), stored(1))


@given(st.lists(st.tuples(st.sampled_from([2, 3, 4, 5]), st.integers(0, 255)), max_size=20))
def test_a_list_expands_to_its_values(pairs: list[tuple[int, int]]) -> None:
    values = [ClearValue(fhe_type, value) for fhe_type, value in pairs]
    raw = ClearEncryptor(Zeros()).prove(values, AUX)
    expected = tuple(Expanded(v.fhe_type, stored(v.value, v.fhe_type).ct64) for v in values)
    assert clear.ClearProof().verify(raw, AUX, BLOB) == expected


def test_the_salt_makes_equal_lists_different() -> None:
    values = [ClearValue(U64, 1)]
    assert clear.encode_list(values, AUX, b"a" * 16) != clear.encode_list(values, AUX, b"b" * 16)


def flawed_lists() -> list[tuple[str, bytes]]:
    good = clear.encode_list([ClearValue(U64, 5)], AUX, bytes(16))
    return [
        ("empty", b""),
        ("cut", good[:-1]),
        ("longer", good + b"\0"),
        ("foreign", b"XXXX" + good[4:]),
        ("header only", good[:20]),
        ("of a real engine", bytes.fromhex("0300000000000000302e35")),
        ("too wide a value", clear.encode_list([ClearValue(FheType.UINT8, 256)], AUX, bytes(16))),
        ("unknown type", clear.encode_list([ClearValue(99, 1)], AUX, bytes(16))),
        ("256 values", clear.encode_list([ClearValue(BOOL, 1)] * 256, AUX, bytes(16))),
        ("too large", bytes(clear.PROOF_BYTES_MAX + 1)),
    ]


@pytest.mark.parametrize(("flaw", "raw"), flawed_lists(), ids=[name for name, _ in flawed_lists()])
def test_flawed_lists_are_rejected(flaw: str, raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        clear.ClearProof().verify(raw, AUX, BLOB)


def test_a_list_for_another_user_only_fails_verification() -> None:
    raw = clear.encode_list([ClearValue(U64, 5)], AUX, bytes(16))
    with pytest.raises(InvalidInput, match="verification failed"):
        clear.ClearProof().verify(raw, AUX[::-1], BLOB)


def test_255_values_are_allowed() -> None:
    raw = clear.encode_list([ClearValue(BOOL, 1)] * 255, AUX, bytes(16))
    assert len(clear.ClearProof().verify(raw, AUX, BLOB)) == 255


def test_squashing_and_decrypting_give_the_value_back() -> None:
    ct128 = clear.ClearSquash().squash(stored(77).ct64, U64)
    assert ct128.startswith(b"CLRS")
    assert ClearDecryptor().decrypt(ct128, U64) == 77


def test_a_stored_value_is_not_a_squashed_one() -> None:
    with pytest.raises(OperationError):
        ClearDecryptor().decrypt(stored(77).ct64, U64)


def test_the_engine_opens_by_name(files: KeyFiles, tmp_path: Path) -> None:
    assert isinstance(engines.open_compute("clear", files), clear.ClearCompute)
    assert isinstance(engines.open_proof("clear", files, tmp_path / "crs"), clear.ClearProof)
    assert isinstance(engines.open_squash("clear", files), clear.ClearSquash)


def test_key_files_of_a_real_engine_are_refused(files: KeyFiles) -> None:
    files.squash.write_bytes(b"\x03\0\0\0")
    with pytest.raises(KeyMaterialError, match="not of the clear engine"):
        engines.open_squash("clear", files)


def test_missing_key_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyMaterialError, match="compute"):
        engines.open_compute("clear", KeyFiles(tmp_path))
