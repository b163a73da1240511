"""Stored ciphertexts as other operators wrote them: read, written again to the byte, refused when damaged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.errors import OperationError
from streams.domain.operations import FheType
from streams.fhe.formats.ciphertext_list import (
    PackedNumber,
    pack_bits,
    read_number,
    unpack_bits,
    write_number,
)
from streams.fhe.known_answers import KnownAnswers, load
from streams.fhe.parameters import COMPRESSION
from streams.fhe.radix.operations import blocks_of

FIXTURES = Path(__file__).parents[3] / "fixtures/tfhe"
KNOWN: KnownAnswers = load(FIXTURES / "known_answers.json")
STORED = {name: bytes.fromhex(item.ct64) for name, item in KNOWN.inputs.items()}
BYTE = STORED["a2"]


def number_of(fhe_type: FheType) -> PackedNumber:
    """A number whose words count up, in as many ciphertexts as its blocks need."""
    blocks, size = blocks_of(fhe_type), COMPRESSION.polynomial_size
    bodies = [min(size, blocks - first) for first in range(0, blocks, size)]
    glwes = tuple(np.arange(COMPRESSION.dimension + body).astype(np.uint16) % 4096 for body in bodies)
    return PackedNumber(fhe_type == FheType.BOOL, blocks, glwes)


@pytest.mark.parametrize("name", STORED)
def test_what_others_stored_is_read_and_written_again_to_the_byte(name: str) -> None:
    number = read_number(STORED[name])
    number.require(FheType(KNOWN.inputs[name].type))
    assert write_number(number) == STORED[name]


@pytest.mark.parametrize("fhe_type", FheType)
def test_every_type_comes_back(fhe_type: FheType) -> None:
    number = number_of(fhe_type)
    back = read_number(write_number(number))
    assert (back.is_bool, back.blocks) == (number.is_bool, number.blocks)
    assert [glwe.tolist() for glwe in back.glwes] == [glwe.tolist() for glwe in number.glwes]
    back.require(fhe_type)


def test_wide_numbers_take_several_packed_ciphertexts() -> None:
    assert [len(number_of(each).glwes) for each in (FheType.UINT512, FheType.UINT1024)] == [1, 2]


@pytest.mark.parametrize("wrong", [FheType.BOOL, FheType.UINT4, FheType.UINT64])
def test_a_number_of_another_type_is_refused(wrong: FheType) -> None:
    with pytest.raises(OperationError, match=f"a number of 8 bits, expected is {wrong.name}"):
        read_number(BYTE).require(wrong)


def test_a_flag_is_not_a_number() -> None:
    with pytest.raises(OperationError, match="a flag, expected is UINT8"):
        read_number(STORED["a0"]).require(FheType.UINT8)


@given(st.integers(0, len(BYTE) - 1))
@settings(max_examples=60)
def test_cut_bytes_are_refused(length: int) -> None:
    with pytest.raises(OperationError, match="does not decode"):
        read_number(BYTE[:length])


def test_a_tail_is_refused() -> None:
    with pytest.raises(OperationError, match="the end"):
        read_number(BYTE + b"\0")


@given(st.integers(0, len(BYTE) - 1), st.integers(1, 255))
@settings(max_examples=200)
def test_a_flipped_byte_is_refused_or_another_ciphertext_of_the_same_shape(place: int, change: int) -> None:
    damaged = bytearray(BYTE)
    damaged[place] ^= change
    try:
        number = read_number(bytes(damaged))
    except OperationError:
        return
    assert sum(map(len, number.glwes)) == COMPRESSION.dimension + number.blocks


def test_counts_that_do_not_agree_are_refused() -> None:
    number = read_number(BYTE)
    longer = replace(number, glwes=(np.append(number.glwes[0], np.uint16(0)),))
    with pytest.raises(OperationError, match="not that of the packed"):
        read_number(write_number(longer))


def test_a_list_of_two_numbers_is_refused() -> None:
    kind = (1).to_bytes(8, "little") + (1).to_bytes(4, "little") + bytes(4)
    place = BYTE.rindex(kind)
    two = BYTE[:place] + (2).to_bytes(8, "little") + BYTE[place + 8 :]
    with pytest.raises(OperationError, match="the count 1"):
        read_number(two)


@given(st.lists(st.integers(0, 4095), min_size=1, max_size=70))
def test_numbers_of_twelve_bits_are_packed_without_gaps(numbers: list[int]) -> None:
    packed = pack_bits(np.array(numbers, np.uint16))
    assert int.from_bytes(packed, "little") == sum(each << (12 * i) for i, each in enumerate(numbers))
    assert len(packed) % 8 == 0
    words = np.frombuffer(packed, "<u8")
    assert unpack_bits(words, len(numbers)).tolist() == numbers
