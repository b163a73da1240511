"""What CUDA's compiler makes of the kernels: it fits, spills nothing, keeps every operation as written."""

import re
from collections import Counter
from pathlib import Path

import pytest

from streams.fhe.devices.cuda.program import (
    INTEGER_PROGRAM,
    SQUASHING_PROGRAM,
    WITH_COPY_ENGINE,
    WITHOUT_COPY_ENGINE,
    Program,
    Variant,
    chosen,
    variants,
)
from streams.fhe.devices.cuda.squash_operations import BLOCKS
from tests.unit.fhe.cuda.nvrtc import Compiled, Refused, compiled, figures

PAGE = Path(__file__).parents[4] / "docs/engine.md"
REGISTERS = 65_536  # of a multiprocessor
SYSTEM_BYTES = 1024  # of shared memory for each block
SHARED_BYTES = {"sm_80": 163 << 10, "sm_90": 227 << 10}  # that one block may have
VARIANTS = [
    *(("sm_90", variant) for variant in WITH_COPY_ENGINE),
    *(("sm_80", variant) for variant in WITHOUT_COPY_ENGINE),
]
# Of a step and thread, by the graph: three passes in, the product, three passes out (`blind_rotation.cu`).
OPERATIONS = {"add": 320, "sub": 320, "mul": 288, "fma": 352}
# Of a thread, a loop counted once (`squashing.cu`): rows, one turn across and one within; 36 products.
SQUASHING_OPERATIONS = {
    "squash_forward": {"add": 112, "sub": 112, "mul": 88, "fma": 88},
    "squash_product": {"mul": 8, "fma": 136},
    "squash_inverse": {"add": 144, "sub": 112, "mul": 88, "fma": 88},  # 32 of them round
}
SQUASHING_RESIDENT = {
    "squash_forward": 3,
    "squash_product": 1,
    "squash_inverse": 2,
}  # blocks of a multiprocessor
DOUBLES = re.compile(r"^\s*(?:(add|sub|mul|fma)((?:\.rn)?)\.f64)\s", re.M)
KEYSWITCH_BLOCKS = 4  # to a multiprocessor: they hide the latency of memory


def name_of(value: object) -> str:
    return value.program.name if isinstance(value, Variant) else str(value)


@pytest.mark.parametrize(("architecture", "variant"), VARIANTS, ids=name_of)
def test_a_block_of_every_variant_fits_and_spills_nothing(architecture: str, variant: Variant) -> None:
    made = compiled(variant.program, architecture).kernels["blind_rotate"]
    assert made.registers * variant.threads <= REGISTERS
    assert (made.spilled_bytes, made.frame_bytes) == (0, 0)
    assert made.shared_bytes + variant.shared_bytes <= SHARED_BYTES[architecture]


@pytest.mark.parametrize("architecture", SHARED_BYTES)
def test_the_integer_kernels_spill_nothing(architecture: str) -> None:
    made = compiled(INTEGER_PROGRAM, architecture).kernels
    assert made.keys() == {"keyswitch_digits", "keyswitch_product", "switch_modulus", "pack"}
    assert all((each.spilled_bytes, each.frame_bytes) == (0, 0) for each in made.values())
    assert made["keyswitch_product"].registers * 128 * KEYSWITCH_BLOCKS <= REGISTERS


@pytest.mark.parametrize(("architecture", "variant"), VARIANTS, ids=name_of)
def test_operations_on_doubles_are_those_of_the_graph(architecture: str, variant: Variant) -> None:
    """None contracted, none added, and each with its rounding, which forbids the assembler to contract it."""
    found = Counter(DOUBLES.findall(ptx(variant, architecture)))
    assert found == {(name, ".rn"): count for name, count in OPERATIONS.items()}


def ptx(variant: Variant, architecture: str) -> str:
    return compiled(variant.program, architecture).ptx


@pytest.mark.parametrize("architecture", SHARED_BYTES)
def test_the_kernels_that_squash_fit_and_spill_nothing(architecture: str) -> None:
    made = compiled(SQUASHING_PROGRAM, architecture).kernels
    assert made.keys() == BLOCKS.keys()
    assert all(
        (each.spilled_bytes, each.frame_bytes, each.shared_bytes) == (0, 0, 0) for each in made.values()
    )
    for name, blocks in SQUASHING_RESIDENT.items():
        threads, shared_bytes = BLOCKS[name]
        assert made[name].registers * threads * blocks <= REGISTERS
        assert (shared_bytes + SYSTEM_BYTES) * blocks <= SHARED_BYTES[architecture]


@pytest.mark.parametrize("architecture", SHARED_BYTES)
def test_operations_on_doubles_of_squashing_are_those_of_the_graph(architecture: str) -> None:
    entries = compiled(SQUASHING_PROGRAM, architecture).ptx.split(".entry ")[1:]
    found = {entry[: entry.index("(")]: Counter(DOUBLES.findall(entry)) for entry in entries}
    expected = {
        name: {(operation, ".rn"): count for operation, count in SQUASHING_OPERATIONS.get(name, {}).items()}
        for name in BLOCKS
    }
    assert found == expected


def test_the_page_shows_what_the_compiler_says() -> None:
    assert [row for row in rows() if row not in PAGE.read_text()] == []


def rows() -> list[str]:
    """Of the table of machine code in docs/engine.md."""
    shown = [
        row(
            architecture,
            "blind_rotate",
            str(variant.ciphertexts),
            variant.threads,
            variant.shared_bytes,
            made,
        )
        for architecture, variant in VARIANTS
        for made in [compiled(variant.program, architecture)]
    ]
    for architecture in SHARED_BYTES:
        made = compiled(INTEGER_PROGRAM, architecture)
        threads = {"keyswitch_digits": 256}
        shown += [
            row(architecture, name, "", threads.get(name, 128), 0, made) for name in sorted(made.kernels)
        ]
        made = compiled(SQUASHING_PROGRAM, architecture)
        shown += [row(architecture, name, "", *BLOCKS[name], made) for name in sorted(made.kernels)]
    return shown


def row(architecture: str, kernel: str, wide: str, threads: int, shared: int, made: Compiled) -> str:
    found = made.kernels[kernel]
    cells = (found.registers, found.spilled_bytes, found.shared_bytes + shared)
    return f"| `{kernel}` | {architecture} | {wide} | {threads} | " + " | ".join(map(str, cells)) + " |"


def test_what_the_compiler_refuses_is_told() -> None:
    with pytest.raises(Refused, match=r"blind_rotation\.cu"):
        compiled(Program("nothing", ("blind_rotation.cu",)), "sm_90")


def test_spills_are_read_from_the_log() -> None:
    log = (
        "ptxas info    : Compiling entry function 'k' for 'sm_90'",
        "    8 bytes stack frame, 52 bytes spill stores, 60 bytes spill loads",
        "ptxas info    : Used 128 registers, used 1 barriers, 1024 bytes smem",
    )
    found = figures(log)["k"]
    assert (found.registers, found.frame_bytes, found.spilled_bytes, found.shared_bytes) == (
        128,
        8,
        112,
        1024,
    )


@pytest.mark.parametrize(
    ("batch", "ciphertexts"), [(1, 1), (132, 1), (133, 2), (264, 2), (265, 3), (396, 3), (5000, 3)]
)
def test_small_batches_take_the_variant_for_latency(batch: int, ciphertexts: int) -> None:
    assert chosen(variants((9, 0)), batch, multiprocessors=132).ciphertexts == ciphertexts


def test_machines_without_the_copy_engine_have_variants_of_their_own() -> None:
    assert variants((8, 0)) == variants((8, 9)) == WITHOUT_COPY_ENGINE
    assert variants((9, 0)) == variants((10, 0)) == WITH_COPY_ENGINE
