from pathlib import Path

import cipherstream_tfhe
import pytest

from streams.devnet import client
from streams.domain.errors import InvalidInput, KeyMaterialError, OperationError
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import clear
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import KeyFiles
from streams.fhe.known_answers import KnownAnswers
from streams.fhe.suite import ClearValue, ComputeSuite, Encrypted, Plain, SquashSuite
from streams.fhe.tfhe_rs import TfheCompute, TfheProof, TfheSquash

pytestmark = pytest.mark.fhe

U64, BOOL, U8 = FheType.UINT64, FheType.BOOL, FheType.UINT8
ADD = BY_NAME["Add"].code
BLOCK_BYTES = (2048 + 1) * 8  # of a decompressed bit


def test_a_uint64_goes_all_the_way_round(
    samples: client.TfheSamples,
    either_compute: ComputeSuite,
    either_squash: SquashSuite,
    decryptor: client.TfheDecryptor,
) -> None:
    """What either engine computed, either one squashes."""
    ct64 = samples.encrypt(ClearValue(U64, (1 << 64) - 2))
    total = either_compute.execute(ADD, [Encrypted(U64, ct64), Plain(b"\x05")], U64)
    assert samples.decrypt(total) == ClearValue(U64, 3)
    assert decryptor.decrypt(either_squash.squash(total, U64), U64) == 3


def test_a_stored_value_is_read_with_the_client_key(
    generated: client.Generated, files: KeyFiles, samples: client.TfheSamples
) -> None:
    ct64 = samples.encrypt(ClearValue(U8, 77))
    assert client.decrypt_stored("tfhe-rs", generated.client_key, files, ct64, U8) == 77
    with pytest.raises(OperationError, match="type 2, expected 5"):
        client.decrypt_stored("tfhe-rs", generated.client_key, files, ct64, U64)


@pytest.mark.parametrize("fhe_type", range(9))
def test_every_type_can_be_sampled(samples: client.TfheSamples, fhe_type: int) -> None:
    value = ClearValue(fhe_type, 1)
    assert samples.decrypt(samples.encrypt(value)) == value


def test_a_computed_branch_decrypts(either_compute: ComputeSuite, samples: client.TfheSamples) -> None:
    """The transfer of a token: enough balance, then the amount, else nothing."""
    compute = either_compute
    balance, amount = (samples.encrypt(ClearValue(U64, value)) for value in (1000, 400))
    nothing = compute.execute(BY_NAME["TrivialEncrypt"].code, [Plain(b""), Plain(bytes((U64,)))], U64)
    enough = compute.execute(BY_NAME["Le"].code, [Encrypted(U64, amount), Encrypted(U64, balance)], BOOL)
    moved = compute.execute(
        BY_NAME["IfThenElse"].code,
        [Encrypted(BOOL, enough), Encrypted(U64, amount), Encrypted(U64, nothing)],
        U64,
    )
    left = compute.execute(BY_NAME["Sub"].code, [Encrypted(U64, balance), Encrypted(U64, moved)], U64)
    assert samples.decrypt(left).value == 600


def test_results_do_not_depend_on_the_threads(files: KeyFiles, known: KnownAnswers) -> None:
    bit = Encrypted(BOOL, bytes.fromhex(known.inputs["a0"].ct64))
    other = Encrypted(BOOL, bytes.fromhex(known.inputs["b0"].ct64))
    single, double = TfheCompute.open(files, threads=1), TfheCompute.open(files, threads=2)
    eq = BY_NAME["Eq"].code
    assert single.execute(eq, [bit, other], BOOL) == double.execute(eq, [bit, other], BOOL)


def test_an_operand_is_decompressed_once_until_newer_ones_displace_it_and_the_result_is_the_same(
    files: KeyFiles, known: KnownAnswers
) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public, cache_bytes_max=2 * BLOCK_BYTES)
    bits = [(int(BOOL), bytes.fromhex(known.inputs[name].ct64)) for name in ("a0", "b0")]
    byte = (int(U8), bytes.fromhex(known.inputs["a2"].ct64))
    eq = BY_NAME["Eq"].code
    first = key.execute(eq, bits, BOOL)
    assert key.cache_counts == (0, 2)
    assert key.execute(eq, bits, BOOL) == first
    assert key.cache_counts == (2, 2)
    key.execute(eq, [(int(BOOL), first), b"\x01"], BOOL)  # in the place of the first bit
    assert key.execute(eq, bits, BOOL) == first
    assert key.cache_counts == (2, 5)
    for counts in ((2, 6), (4, 7)):  # larger than the bound: never kept, and the bits stay
        key.execute(eq, [byte, b"\x01"], BOOL)
        assert key.cache_counts == counts
        assert key.execute(eq, bits, BOOL) == first
    assert key.cache_counts == (6, 7)


def test_a_cached_operand_is_still_refused_as_another_type(files: KeyFiles, known: KnownAnswers) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public)
    bit, eq = bytes.fromhex(known.inputs["a0"].ct64), BY_NAME["Eq"].code
    key.execute(eq, [(int(BOOL), bit), b"\x01"], BOOL)
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="type 0, expected 2"):
        key.execute(eq, [(int(U8), bit), b"\x01"], BOOL)


def test_every_suite_tells_how_slow_the_machine_is(
    either_compute: ComputeSuite, either_squash: SquashSuite
) -> None:
    assert 0 < either_compute.lookup_s() < 10
    assert 0 < either_squash.lookup_s() < 10


@pytest.mark.parametrize(
    "ct64",
    [b"", b"nonsense", clear.encode(clear.STORED, ClearValue(U64, 1))],
    ids=["empty", "nonsense", "clear engine"],
)
def test_other_bytes_are_no_operand(either_compute: ComputeSuite, ct64: bytes) -> None:
    with pytest.raises(OperationError, match="does not decode"):
        either_compute.execute(ADD, [Encrypted(U64, ct64), Plain(b"\x01")], U64)


def test_an_operand_of_another_type_is_refused(either_compute: ComputeSuite, known: KnownAnswers) -> None:
    byte = bytes.fromhex(known.inputs["a2"].ct64)
    with pytest.raises(OperationError, match=r"type 2, expected 5|of 8 bits, expected is UINT64"):
        either_compute.execute(ADD, [Encrypted(U64, byte), Plain(b"\x01")], U64)


def test_the_engine_itself_refuses_what_it_cannot_compute(files: KeyFiles, known: KnownAnswers) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public)
    bit = (int(BOOL), bytes.fromhex(known.inputs["a0"].ct64))
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="unknown operation 99"):
        key.execute(99, [bit, bit], BOOL)
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="not supported"):
        key.execute(ADD, [bit, bit], BOOL)
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="expected 5"):
        key.execute(BY_NAME["Eq"].code, [bit, bit], U64)


def test_a_component_is_computed_without_storing_what_lies_between(
    files: KeyFiles, known: KnownAnswers, samples: client.TfheSamples
) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public, threads=2)
    bits = [(int(BOOL), bytes.fromhex(known.inputs[name].ct64)) for name in ("a0", "b0")]
    values = [bool(int(known.inputs[name].clear)) for name in ("a0", "b0")]
    xor, negated = BY_NAME["BitXor"].code, BY_NAME["Not"].code
    steps = [(xor, [0, 1], BOOL), (negated, [2], BOOL), (xor, [3, b"\x01"], BOOL)]
    found = key.component(bits, steps, [4, 2])
    differ = values[0] != values[1]
    assert [samples.decrypt(ct64) for ct64 in found] == [ClearValue(BOOL, differ)] * 2
    assert found == key.component(bits, steps, [4, 2])
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="no result 2 yet"):
        key.component(bits, [(xor, [0, 2], BOOL)], [2])
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="no result 3 yet"):
        key.component(bits, steps[:1], [3])


def test_squashing_refuses_other_types(either_squash: SquashSuite, known: KnownAnswers) -> None:
    with pytest.raises(OperationError, match=r"type 0, expected 5|expected is UINT64"):
        either_squash.squash(bytes.fromhex(known.inputs["a0"].ct64), U64)


def test_small_types_can_be_squashed(
    either_squash: SquashSuite, decryptor: client.TfheDecryptor, known: KnownAnswers
) -> None:
    byte = known.inputs["a2"]
    assert decryptor.decrypt(either_squash.squash(bytes.fromhex(byte.ct64), U8), U8) == int(byte.clear)


@pytest.mark.parametrize(("name", "fhe_type"), [("a0", BOOL), ("a2", U8)])
def test_a_bare_squashed_element_is_another_form_of_the_same_value(
    either_squash: SquashSuite,
    decryptor: client.TfheDecryptor,
    known: KnownAnswers,
    name: str,
    fhe_type: int,
) -> None:
    squash, given = either_squash, known.inputs[name]
    ct64 = bytes.fromhex(given.ct64)
    bare = squash.squash(ct64, fhe_type, compressed=False)
    assert bare == squash.squash(ct64, fhe_type, compressed=False)
    assert decryptor.decrypt(bare, fhe_type, compressed=False) == int(given.clear)
    with pytest.raises(OperationError, match="does not decrypt"):
        decryptor.decrypt(bare, fhe_type)
    with pytest.raises(OperationError, match="does not decrypt"):
        decryptor.decrypt(squash.squash(ct64, fhe_type), fhe_type, compressed=False)


def test_squashing_and_compressing_apart_make_the_same_bytes(squash: TfheSquash, known: KnownAnswers) -> None:
    ct64 = bytes.fromhex(known.inputs["a0"].ct64)
    assert squash.compress(squash.squash_alone(ct64, BOOL)) == squash.squash(ct64, BOOL)
    with pytest.raises(OperationError, match="type"):
        squash.squash_alone(ct64, U64)


def test_the_decryptor_refuses_what_is_not_squashed(
    decryptor: client.TfheDecryptor, known: KnownAnswers
) -> None:
    with pytest.raises(OperationError, match="does not decrypt"):
        decryptor.decrypt(bytes.fromhex(known.inputs["a5"].ct64), U64)


@pytest.mark.parametrize("content", [b"", CLEAR_MAGIC + bytes(32), b"\x03\0\0\0\0\0\0\0"])
def test_other_key_files_are_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("compute", "public", "squash", "crs"):
        (tmp_path / name).write_bytes(content)
    folder = KeyFiles(tmp_path)
    with pytest.raises(KeyMaterialError):
        TfheCompute.open(folder)
    with pytest.raises(KeyMaterialError):
        TfheProof.open(folder, tmp_path / "crs")
    with pytest.raises(KeyMaterialError):
        TfheSquash.open(folder)


def test_the_compute_key_cannot_squash(files: KeyFiles, tmp_path: Path) -> None:
    (tmp_path / "squash").symlink_to(files.compute)
    with pytest.raises(KeyMaterialError, match="no noise-squashing part"):
        TfheSquash.open(KeyFiles(tmp_path))


def test_the_clear_engine_refuses_real_ciphertexts(known: KnownAnswers) -> None:
    real = bytes.fromhex(known.inputs["a5"].ct64)
    with pytest.raises(OperationError):
        clear.ClearCompute().execute(ADD, [Encrypted(U64, real), Plain(b"\x01")], U64)
    with pytest.raises(InvalidInput):
        clear.ClearProof().verify(bytes.fromhex(known.input_proof.list), b"", bytes(32))
    with pytest.raises(OperationError):
        clear.ClearSquash().squash(real, U64)


def test_the_server_side_has_no_client_key() -> None:
    public = [name for name in dir(cipherstream_tfhe) if not name.startswith("_")]
    assert not any("client" in name.lower() or "decrypt" in name.lower() for name in public)
