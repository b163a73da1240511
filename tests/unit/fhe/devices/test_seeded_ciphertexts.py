"""Ciphertexts that nobody encrypted: their masks, and the numbers that a device makes of them."""

import hashlib

import numpy as np
import pytest

from streams.fhe.devices.randomness import SeededSource, binary_key
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.devices.seeded import seeded_ciphertexts
from streams.fhe.formats.mask_stream import MaskStart
from streams.fhe.parameters import PINNED
from streams.fhe.radix.device_executor import DeviceExecutor
from streams.fhe.radix.random import random_digits
from streams.fhe.radix.steps import run
from tests.unit.fhe.devices.sets import SMALL, decrypted, keys_of

CLIENT, SERVER = keys_of(SMALL)
SEED = bytes(range(16))
STEP_LOG2 = 52  # of a word that is a whole step of the pinned set's rotation


def number(value: int) -> bytes:
    return value.to_bytes(8, "little")


@pytest.mark.parametrize(
    ("bits", "shape"),
    [
        (1, number(1) + number(1)),
        (2, number(1) + number(2)),
        (3, number(1) + number(2) + number(1) + number(1)),
        (64, number(32) + number(2)),
    ],
)
def test_a_mask_is_a_stream_of_numbers_of_two_bytes_under_a_hash_of_seed_and_shape(
    bits: int, shape: bytes
) -> None:
    key = hashlib.sha3_256(b"TFHE_PRF" + SEED[::-1] + shape).digest()
    stream = MaskStart(b"PRF_INIT" + key, 0, 0).words(500).astype("<u8").tobytes()
    due = [int.from_bytes(stream[at : at + 2], "little") % 4096 for at in range(0, 2 * 918, 2)]
    rows = seeded_ciphertexts(PINNED, SEED, bits)
    assert len(rows) == (bits + 1) // 2
    assert (rows[0, :-1] >> np.uint64(STEP_LOG2)).tolist() == due
    assert not (rows[:, :-1] << np.uint64(64 - STEP_LOG2)).any()


def test_the_last_sixteen_bytes_of_a_seed_count() -> None:
    due = seeded_ciphertexts(PINNED, SEED, 4)
    assert (seeded_ciphertexts(PINNED, b"more" + SEED, 4) == due).all()
    assert (seeded_ciphertexts(PINNED, SEED[1:], 4) == due).all()  # its first byte is zero
    assert (seeded_ciphertexts(PINNED, SEED[::-1], 4) != due).any()


def test_numbers_of_two_widths_share_no_mask() -> None:
    assert (seeded_ciphertexts(PINNED, SEED, 8)[0] != seeded_ciphertexts(PINNED, SEED, 6)[0]).any()


def test_a_number_of_no_bits_has_no_block() -> None:
    assert seeded_ciphertexts(PINNED, SEED, 0).shape == (0, 919)


def test_phases_are_uniform() -> None:
    rows = seeded_ciphertexts(PINNED, SEED, 8_000)
    key = binary_key(SeededSource(b"key"), PINNED.lwe_dimension)
    steps = (rows[:, -1] - rows[:, :-1] @ key) >> np.uint64(STEP_LOG2)
    counts = np.bincount(steps.astype(np.int64) // 256, minlength=16)
    # 4,000 phases in 16 parts of the turn: 250 each, a standard deviation of 15
    assert abs(counts - 250).max() < 5 * 15


@pytest.mark.parametrize("bits", [1, 3, 64, 255])
def test_a_device_reads_the_part_of_the_turn_in_which_the_phase_lies(bits: int) -> None:
    """To the step: boxes begin where those of TFHE-rs do."""
    executor = DeviceExecutor(ReferenceDevice(SERVER))
    seeds = executor.seeded(SEED, bits)
    blocks = run(random_digits(seeds, bits), executor)
    found = decrypted(CLIENT, np.stack([executor.ciphertext(block) for block in blocks]))
    turn = 2 * SMALL.polynomial_size
    masks = seeded_ciphertexts(SMALL, SEED, bits)[:, :-1] >> np.uint64(64 - SMALL.rotation_log2)
    phases = [-int(mask @ CLIENT.small) % turn for mask in masks]
    due = [(2, 3, 1, 0)[phase * 4 // turn] for phase in phases]
    if bits % 2:
        due[-1] = int(phases[-1] < turn // 2)
    assert found == due
