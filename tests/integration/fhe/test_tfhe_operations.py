"""Every cell of tfhe-rs against the clear engine, on trivial ciphertexts; and what either engine has besides.

Really encrypted are the known answers (`test_known_answers.py`: every operation on Uint8 and nearly every
one on Uint64, byte for byte) and programs of both engines, decrypted (`encrypted_cells.py`). All of it has a
budget (`core_time.py`); the whole matrix of an engine is `cipherstream doctor --matrix`.
"""

import random

import cipherstream_tfhe
import pytest
from encrypted_cells import FUSED, encrypted_cells, is_random

from streams.devnet import client, encrypted_matrix
from streams.domain.errors import OperationError
from streams.domain.operations import BY_NAME, OPERATIONS, FheType, Kind
from streams.fhe import matrix
from streams.fhe.keyset import KeyFiles
from streams.fhe.suite import ClearValue, ComputeSuite, Encrypted, Operand, Plain
from streams.fhe.tfhe_rs import TfheCompute

pytestmark = pytest.mark.fhe

BOOL, U4, U8, U64 = FheType.BOOL, FheType.UINT4, FheType.UINT8, FheType.UINT64
U160, U512 = FheType.UINT160, FheType.UINT512
CELLS = [cell for cell in matrix.cells(library=True) if not is_random(cell)]
NUMBER_BYTES = 256

Numbers = tuple[int, int, int]


def as_trivial(operand: matrix.ClearOperand) -> Operand:
    if isinstance(operand, Plain):
        return operand
    return Encrypted(operand.fhe_type, operand.value.to_bytes(NUMBER_BYTES, "big"))


def examples(cell: matrix.Cell) -> list[Numbers]:
    """Edges of the width, and numbers from a seed of the cell's own."""
    source, bits = random.Random(str(cell)), cell.fhe_type.bits
    top = (1 << bits) - 1
    edges: list[Numbers] = [(top, top, 1), (0, top, top), (top, 1, 0), (top >> 1, (top >> 1) + 1, 1)]

    def number() -> int:
        return source.getrandbits(max(256, bits))

    return [*edges, (number(), source.randrange(bits + 1), 3), (number(), number(), number())]


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_cell_on_trivial_ciphertexts_equals_the_clear_engine(
    compute: TfheCompute, cell: matrix.Cell
) -> None:
    for numbers in examples(cell):
        operands = matrix.operands(cell, *numbers)
        trivial = [as_trivial(operand) for operand in operands]
        found = compute.evaluate(cell.operation.code, trivial, cell.out_type)
        assert found == encrypted_matrix.due(cell, operands), numbers


@pytest.mark.parametrize("count", [0, 1, 60, 100])
def test_collections_of_every_size(compute: TfheCompute, count: int) -> None:
    values = [as_trivial(ClearValue(U8, 7 * index % 256)) for index in range(count)]
    assert compute.evaluate(BY_NAME["Sum"].code, values, U8) == sum(7 * i % 256 for i in range(count)) % 256
    sought = as_trivial(ClearValue(U8, 7))
    assert compute.evaluate(BY_NAME["IsIn"].code, [sought, *values], BOOL) == (count > 1)


def test_random_numbers_cannot_be_had_trivially(compute: TfheCompute) -> None:
    with pytest.raises(OperationError, match="not trivial"):
        compute.evaluate(BY_NAME["Rand"].code, [Plain(b"seed"), Plain(bytes((U8,)))], U8)


def test_every_cell_is_computed_trivially_or_really() -> None:
    computed = {str(cell) for cell in [*CELLS, *encrypted_cells()]}
    assert {str(cell) for cell in matrix.cells()} - computed == set()


def executed(compute: ComputeSuite, name: str, *operands: Operand, out: FheType) -> Encrypted:
    return Encrypted(out, compute.execute(BY_NAME[name].code, operands, out))


def kept(fhe_type: FheType) -> Plain:
    return Plain(bytes((fhe_type,)))


def trivial(compute: ComputeSuite, fhe_type: FheType, number: int) -> Encrypted:
    word = Plain(number.to_bytes(NUMBER_BYTES, "big"))
    return executed(compute, "TrivialEncrypt", word, kept(fhe_type), out=fhe_type)


def low_byte(compute: ComputeSuite, samples: client.TfheSamples, value: Encrypted) -> int:
    byte = executed(compute, "Cast", value, kept(U8), out=U8)
    return samples.decrypt(byte.ct64).value


@pytest.mark.parametrize("fhe_type", [U4, U160, U512])
def test_types_without_operations_on_chain_are_stored_and_computed(
    either_compute: ComputeSuite, samples: client.TfheSamples, fhe_type: FheType
) -> None:
    value = trivial(either_compute, fhe_type, 0b0101)
    flipped = executed(either_compute, "Not", value, out=fhe_type)
    assert low_byte(either_compute, samples, flipped) == (0b1010 if fhe_type is U4 else 0b1111_1010)


def test_a_random_number_is_below_its_bound(
    either_compute: ComputeSuite, samples: client.TfheSamples
) -> None:
    for seed, bound in ((b"a", 16), (b"b", 1), (b"c", 1 << 200)):
        word = Plain(bound.to_bytes(32, "big"))
        drawn = executed(either_compute, "RandBounded", Plain(seed), word, kept(U8), out=U8)
        assert samples.decrypt(drawn.ct64).value < min(bound, 256)


def test_a_random_number_follows_from_the_low_bytes_of_its_seed(either_compute: ComputeSuite) -> None:
    seed = bytes(range(16))
    first = executed(either_compute, "Rand", Plain(seed), kept(U8), out=U8)
    assert executed(either_compute, "Rand", Plain(b"\xff" + seed), kept(U8), out=U8) == first
    assert executed(either_compute, "Rand", Plain(seed[::-1]), kept(U8), out=U8) != first


@pytest.mark.parametrize("name", ["Div", "Rem", "MulDiv"])
def test_the_engine_itself_refuses_to_divide_by_zero(files: KeyFiles, name: str) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public)
    value, beyond = (int(U8), b"\x09"), b"\x01\x00"
    operands = [value, value, beyond] if name == FUSED else [value, beyond]
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="division by zero"):
        key.evaluate(BY_NAME[name].code, operands, U8)


def test_the_engine_itself_refuses_other_plaintexts_and_types(files: KeyFiles) -> None:
    key = cipherstream_tfhe.ComputeKey.open(files.compute, files.public)
    bounded, cast = BY_NAME["RandBounded"].code, BY_NAME["Cast"].code
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="no power of two"):
        key.evaluate(bounded, [b"seed", b"\x03", kept(U8).value], U8)
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="unknown type 99"):
        key.evaluate(cast, [(99, b"\x01"), kept(U8).value], U8)
    with pytest.raises(cipherstream_tfhe.OperationRefused, match="not supported"):
        key.evaluate(cast, [(int(U8), b"\x01"), b"\x63"], 0x63)


def test_the_engine_has_every_operation_of_the_table() -> None:
    assert [code for code, _ in cipherstream_tfhe.opcodes()] == [
        row.code for row in OPERATIONS if row.kind is not Kind.INPUT
    ]
