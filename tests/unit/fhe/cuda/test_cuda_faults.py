"""The comparison of bits has teeth: every fault that is planted shows under some order of threads."""

from dataclasses import replace

import cipherstream_kernel as kernel
import numpy as np
import pytest

from streams.fhe.devices.cuda.fleet import Fleet
from streams.fhe.devices.cuda.keys import SwitchKey
from streams.fhe.devices.cuda.operations import pack
from streams.fhe.devices.cuda.program import INTEGER_PROGRAM
from streams.fhe.devices.words import Words
from streams.fhe.parameters import COMPRESSION
from tests.unit.fhe.cuda.emulated import BROKEN, ORDERS, ROTATION, EmulatedGpu, Fault, Faulty
from tests.unit.fhe.cuda.raw import BIG, Pair, differing, raw_batch, raw_keys, words

MEET = "        meet(1 + group, GROUP);\n"
BACK = "        rows_back(&place, own);\n"


def rotation(old: str, new: str, nth: int = 0) -> Fault:
    return Fault(ROTATION, old, new, nth)


def integers(old: str, new: str, nth: int = 0) -> Fault:
    return Fault(INTEGER_PROGRAM, old, new, nth)


FAULTS = {
    "no barrier behind the rows": rotation(MEET, "", 0),
    "no barrier before the rows back": rotation(MEET, "", 1),
    "no barrier at the end of a step": rotation(MEET, "", 2),
    "no barrier of a warp before the product": rotation("        meet_warp();\n", "", 0),
    "no barrier of a warp behind the product": rotation("        meet_warp();\n", "", 1),
    "no wait for the key": rotation("            landing_wait(", "            if (0) landing_wait("),
    "the first one through fetches the next key": rotation("== CIPHERTEXTS - 1 && step", "== 0 && step"),
    "the next key is fetched before the barrier": replace(
        rotation(MEET, "", 1), then=rotation(BACK, MEET + BACK)
    ),
    "the key of another step": rotation("(step + KEY_STEPS) * STEP_BYTES", "step * STEP_BYTES"),
    "the parity of another phase": rotation("(step / KEY_STEPS) & 1", "0"),
    "rounding that does not alternate": BROKEN,
    "the rows of the key swapped": rotation("dot(x[e], k00, y[e], k10)", "dot(y[e], k10, x[e], k00)"),
    "the other product rounded first": rotation(
        "fused_minus(w.im, z.im, __dmul_rn(w.re, z.re))", "fused(w.re, z.re, -__dmul_rn(w.im, z.im))"
    ),
    "a fused operation split": rotation("return __fma_rn(a, b, c)", "return __dadd_rn(__dmul_rn(a, b), c)"),
    "a factor turned the other way": rotation("complex_of(-w.im, w.re)", "complex_of(w.im, -w.re)"),
    "the update cut, not rounded": rotation("__double2ll_rn(m", "(long long)(m"),
    "a result one coefficient off": rotation("j <= position ?", "j < position ?"),
    "a result of another ciphertext": rotation("(u64)read * BIG_LWE", "(u64)first * BIG_LWE"),
    "one half stays one half": integers("(((low - 1) | rest) & low)", "((low - 1) & low)"),
    "the middle stays up": integers("(with_round_bit & 1) && is_tie_rounded", "0"),
    "a byte of a word left out": integers("(16 * m + 8)", "(16 * m)"),
    "the body forgotten": integers("word == body ?", "0 ?"),
    "the body rounded": integers(
        "(u64)((long long)error >> 1)", "(u64)((long long)error >> 1) + (1ull << 51)"
    ),
    "the mask cut": integers("1ull << (EXPONENT_SHIFT - 1)", "0"),
    "the errors not added up": integers("error += errors[i]", "error += 0"),
    "no barrier before the sum": integers("    __syncthreads();\n", ""),
}


@pytest.fixture(scope="module")
def keys() -> Pair:
    return raw_keys(3)


def is_caught(keys: Pair, fault: Fault, order: str) -> bool:
    batch = raw_batch(4)
    try:
        found = keys.on(EmulatedGpu(order=order, fault=fault)).bootstrap(batch)
    except Faulty:
        return True
    return differing(found, keys.cpu.bootstrap(batch)) > 0


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_shows(name: str, keys: Pair) -> None:
    assert any(is_caught(keys, FAULTS[name], order) for order in ORDERS)


def test_faults_of_packing_show() -> None:
    """A key without mask polynomials is enough, of random words as always."""
    size, levels = COMPRESSION.polynomial_size, COMPRESSION.packing.level
    prepared = kernel.PackingKey.prepare(words(BIG * levels * size).data, 0, size, levels)
    key = SwitchKey(memoryview(prepared.to_bytes()), levels, body=0, is_tie_rounded=False)
    lwes = raw_batch(2).ciphertexts
    expected = np.frombuffer(prepared.pack(lwes.reshape(-1).data), np.uint64)
    no_sign = integers("0 - glwe[source + size]", "glwe[source + size]")
    middle_goes_down = integers("&& is_tie_rounded", "")
    found = [packed(key, lwes, fault) for fault in (None, no_sign, middle_goes_down)]
    assert [np.array_equal(each, expected) for each in found] == [True, False, False]


def packed(key: SwitchKey, lwes: Words, fault: Fault | None) -> Words:
    return pack(Fleet.of([EmulatedGpu(fault=fault)]).next(), key, lwes)


def test_the_unchanged_kernels_show_nothing(keys: Pair) -> None:
    same = Fault(ROTATION, MEET, MEET, 0)
    assert not any(is_caught(keys, same, order) for order in ORDERS)


def test_a_fault_that_the_source_does_not_have_is_told() -> None:
    with pytest.raises(ValueError, match="not in the source"):
        rotation("no such line", "").planted("a text")
