"""The engines `tfhe-rs` and `wave` beside the clear one: equal numbers, random ones among them."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle

import pytest
from encrypted_cells import encrypted_cells, is_random

from streams.devnet import client
from streams.domain.operations import BY_CODE, BY_NAME, FheType
from streams.domain.work import ComputeWork, Step
from streams.fhe import clear
from streams.fhe.component import component_outputs
from streams.fhe.suite import ClearValue, ComputeSuite, Operand, Plain, Tally
from streams.fhe.tfhe_rs import TfheCompute
from streams.fhe.wave.suite import WaveCompute
from tests import component_programs as programs

pytestmark = pytest.mark.fhe

BOOL, U8, U64 = FheType.BOOL, FheType.UINT8, FheType.UINT64
PARTS = 6
Decrypt = Callable[[bytes, Step], int]
Spent = Callable[[str, float], None]


def part(index: int) -> programs.Program:
    """A part of the cells in an order of its own, each on what others gave; all results are wanted."""
    source, cells = random.Random(index), encrypted_cells()[index::PARTS]
    source.shuffle(cells)
    # Random ones last: the clear engine, which draws other numbers, knows all that comes before.
    found = programs.program(source, f"part {index}", sorted(cells, key=is_random))
    return replace(found, outputs=[step.result for step in found.steps])


def numbers(suite: ComputeSuite, work: ComputeWork, decrypt: Decrypt) -> dict[str, int]:
    """The results, named so that a difference tells what it is of."""
    found = {each.handle: each.ct64 for each in component_outputs(suite, work)}
    return {
        f"{place}: {BY_CODE[step.operation].name}, type {step.fhe_type}": decrypt(found[step.result], step)
        for place, step in enumerate(work.steps)
    }


def due(given: programs.Program) -> dict[str, int]:
    """What the clear engine gives, random numbers left out."""
    known = [step for step in given.steps if not BY_CODE[step.operation].is_random]
    in_clear = replace(given, steps=known, outputs=[step.result for step in known])
    work = in_clear.work(lambda fhe_type, number: clear.encode(clear.STORED, ClearValue(fhe_type, number)))
    decode = clear.decode
    return numbers(clear.ClearCompute(), work, lambda ct64, step: decode(clear.STORED, ct64, step.fhe_type))


@pytest.mark.parametrize("index", range(PARTS))
def test_programs_of_every_operation_decrypt_to_equal_numbers(
    compute: TfheCompute, wave: WaveCompute, samples: client.TfheSamples, spent: Spent, index: int
) -> None:
    given = part(index)
    work = given.work(lambda fhe_type, number: samples.encrypt(ClearValue(fhe_type, number)))

    def found(name: str, suite: ComputeSuite) -> dict[str, int]:
        started = time.process_time()
        computed = numbers(suite, work, lambda ct64, _: samples.decrypt(ct64).value)
        spent(f"programs, {name}", time.process_time() - started)
        return computed

    by_wave = found("wave", wave)
    assert by_wave == found("tfhe-rs", compute)
    assert due(given).items() <= by_wave.items()


class InTurns:
    """One operation by each engine, on what the other one stored."""

    def __init__(self, *suites: ComputeSuite) -> None:
        self._suites = cycle(suites)

    def execute(self, operation: int, operands: Sequence[Operand], out_type: int) -> bytes:
        return next(self._suites).execute(operation, operands, out_type)

    def tally(self) -> Tally:
        return Tally()

    def lookup_s(self) -> float:
        return 0


@pytest.mark.parametrize("is_wave_first", [False, True])
def test_each_engine_computes_with_what_the_other_stored(
    compute: TfheCompute, wave: WaveCompute, samples: client.TfheSamples, is_wave_first: bool
) -> None:
    found = {str(cell): cell for cell in encrypted_cells()}
    names = ("TrivialEncrypt_8_scalar", "Add_8", "Ge_8", "IfThenElse_8", "Neg_8", "Sub_8", "Eq_8")
    given = programs.program(random.Random(1), "in turns", [found[name] for name in names])
    given = replace(given, outputs=[step.result for step in given.steps])
    work = given.work(lambda fhe_type, number: samples.encrypt(ClearValue(fhe_type, number)))
    suite = InTurns(wave, compute) if is_wave_first else InTurns(compute, wave)
    assert numbers(suite, work, lambda ct64, _: samples.decrypt(ct64).value) == due(given)


SEEDS = (bytes(16), bytes(range(16)), b"\xff" * 32, b"event")
# type, bound (none for a number of all bits); wider numbers are in the programs
DRAWS = [
    *((fhe_type, None) for fhe_type in (BOOL, BOOL, U8, U8, U64)),
    *((U8, bound) for bound in (1, 2, 2, 16, 32, 256, 1 << 200)),
    *((U64, bound) for bound in (1 << 33, 1 << 63)),
]


@pytest.mark.parametrize(
    ("seed", "fhe_type", "bound"),
    [(seed, *draw) for seed, draw in zip(cycle(SEEDS), DRAWS, strict=False)],
    ids=lambda each: each.hex()[-8:] if isinstance(each, bytes) else str(each),
)
def test_a_seed_gives_both_engines_the_same_random_number(
    compute: TfheCompute,
    wave: WaveCompute,
    samples: client.TfheSamples,
    seed: bytes,
    fhe_type: FheType,
    bound: int | None,
) -> None:
    name = "Rand" if bound is None else "RandBounded"
    limit = [] if bound is None else [Plain(bound.to_bytes(32, "big"))]
    operands = [Plain(seed), *limit, Plain(bytes([fhe_type]))]
    by_crate, by_wave = (
        samples.decrypt(suite.execute(BY_NAME[name].code, operands, fhe_type)).value
        for suite in (compute, wave)
    )
    assert by_wave == by_crate < min(bound or 1 << 64, 1 << fhe_type.bits)
