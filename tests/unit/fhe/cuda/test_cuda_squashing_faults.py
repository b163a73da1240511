"""The comparison of squashed words has teeth: a fault that is planted shows under some order of threads."""

from dataclasses import replace

import numpy as np
import pytest

from streams.fhe.devices.cuda.program import SQUASHING_PROGRAM
from tests.unit.fhe.cuda.emulated import ORDERS, EmulatedGpu, Fault, Faulty
from tests.unit.fhe.cuda.raw import raw_batch, words
from tests.unit.fhe.cuda.wide import WidePair, wide_keys

MEET = "    __syncthreads();\n"
TURNS = "#pragma unroll 1\n"
MEET_WARP = "    meet_warp();\n" + TURNS
STEPS = 2
COUNT = 3
MULTIPROCESSORS = 24  # so few that two ciphertexts share a block of the product


def fault(old: str, new: str, nth: int = 0) -> Fault:
    return Fault(SQUASHING_PROGRAM, old, new, nth)


FAULTS = {
    "no barrier behind the rows": fault(MEET, "", 0),
    "no barrier of a warp before the frequencies": fault(MEET_WARP, TURNS, 0),
    "no barrier before the product": fault("    " + MEET, "", 0),
    "one place for the inputs of all ciphertexts": fault("(ciphertext & 1)", "0"),
    "no barrier of a warp behind the frequencies": fault(MEET_WARP, TURNS, 1),
    "no barrier before the rows back": fault(
        "across(work, turn, factors, 0);\n" + MEET, "across(work, turn, factors, 0);\n"
    ),
    "no barrier before the sums": fault(MEET + "    // Now", "    // Now"),
    "rounding that does not alternate": fault(" - (column & 1)", ""),
    "the carry of the low part forgotten": fault(" + (u64)(long long)(rest >> 8)", ""),
    "the low part keeps its sign": fault("-low[place] : low[place]", "low[place] : low[place]"),
    "the key of the first step": fault("(u64)step * KEY_STEP_WORDS", "0"),
    "the ciphertexts of another block": fault("share * blockIdx.y", "0 * blockIdx.y"),
    "a limb of another column": fault("16 * LIMBS * column", "16 * column"),
    "key rows from the last to the first": replace(
        fault("inputs[TILE * row];", "inputs[TILE * (KEY_ROWS - 1 - row)];"),
        then=fault("= k[LIMBS * row + limb]", "= k[LIMBS * (KEY_ROWS - 1 - row) + limb]"),
    ),
    "the imaginary parts first": fault(
        "fused_minus(p.im, k.im, fused(p.re, k.re, a.re))", "fused(p.re, k.re, fused_minus(p.im, k.im, a.re))"
    ),
    "limb 0 cut, not rounded": fault("(u64)__double2ll_rn(y)", "(u64)(long long)y"),
    "a limb one bit too high": fault("18 * limb - 8", "18 * limb - 7"),
    "the low part's sum not carried": fault("(u64)(sum >> LOW_BITS)", "0"),
    "the low part keeps its carry": fault("(int)(sum & ((1 << LOW_BITS) - 1))", "(int)sum"),
    "a limb left out": fault("other < LIMBS", "other < LIMBS - 1"),
    "half a box too far": fault("source % N + N / VALUES / 2", "source % N"),
    "the table turned without its sign": fault("(source / N) & 1 ? 0 - value : value", "value"),
    "no borrow from the high half": fault(" - (low != 0)", ""),
}
PACKING_FAULTS = {
    "a digit cut, not rounded": fault("PACKED_DIGIT_BITS)) + 1) >> 1)", "PACKED_DIGIT_BITS))) >> 1)"),
    "half a base below zero": fault("rounded > base / 2", "rounded >= base / 2"),
    "a digit below zero without its sign": fault(" - below_zero", ""),
    "no carry into the high half": fault(" + (sum->low < low);\n    sum->low -=", ";\n    sum->low -="),
    "no carry between products": fault("high + (sum->low < low);\n}", "high;\n}"),
    "the key of the first chunk": fault("(input / CHUNK_INPUTS) + column / 8", "0 + column / 8"),
    "another eight ciphertexts' digits": fault("PACKED_INPUTS * first + ", ""),
    "what leaves at the top comes back as it is": fault("if (place < degree)", "if (0)"),
    "no bodies": fault("place < count", "0"),
}


@pytest.fixture(scope="module")
def keys() -> WidePair:
    return wide_keys(STEPS)


def is_caught(keys: WidePair, planted: Fault, order: str) -> bool:
    given = raw_batch(COUNT).ciphertexts
    gpu = EmulatedGpu(order=order, multiprocessors=MULTIPROCESSORS, fault=planted)
    try:
        found = keys.on(gpu).squash(given)
    except Faulty:
        return True
    return not np.array_equal(found, keys.cpu.squash(given))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_shows(name: str, keys: WidePair) -> None:
    assert any(is_caught(keys, FAULTS[name], order) for order in ORDERS)


@pytest.mark.parametrize("name", PACKING_FAULTS)
def test_a_planted_fault_of_packing_shows(name: str, keys: WidePair) -> None:
    given = words(9, 4097, 2)
    given[0, 0] = (0, 1 << 63)  # half a base, on which digits do not go below zero
    (expected,) = keys.cpu.pack(given)
    (found,) = keys.on(EmulatedGpu(fault=PACKING_FAULTS[name])).pack(given)
    assert not np.array_equal(found, expected)


def test_the_unchanged_kernels_show_nothing(keys: WidePair) -> None:
    same = fault(MEET, MEET)
    assert not any(is_caught(keys, same, order) for order in ORDERS)
