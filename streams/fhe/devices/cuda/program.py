"""The CUDA programs: which files, with which constants, and what their launches need.

The sources are text that NVRTC compiles on the machine that runs them. A bootstrap is compiled for each
variant: how many ciphertexts share a block of threads, and how many steps of the key its shared memory holds.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from streams.fhe.devices.cuda.factors import row_factors

# Machine code is checked for this: no product and sum become one operation unless the source says so.
OPTIONS: Final = ("-std=c++17", "-fmad=false")
MACHINE: Final = "machine.cuh"
ROTATION: Final = ("shape.cuh", "arithmetic.cuh", "transform.cuh", "work.cuh", "blind_rotation.cu")
SQUASHING: Final = (
    "shape.cuh",
    "arithmetic.cuh",
    "transform.cuh",
    "work.cuh",
    "squashing.cu",
    "wide_packing.cu",
)
INTEGERS: Final = ("shape.cuh", "keyswitch.cu", "modulus_switch.cu", "packing.cu")

GROUP_THREADS: Final = 128  # of a ciphertext
_KEY_STEP_BYTES: Final = 65_536  # two rows of two columns of 1024 complex numbers
_CIPHERTEXT_BYTES: Final = 16_384 + 32_768  # accumulator, and work for two transformed polynomials
_FACTOR_BYTES: Final = 16 * 5 * 16
_BARRIER_BYTES: Final = 128


@dataclass(frozen=True, slots=True)
class Program:
    """What is compiled together."""

    name: str
    parts: tuple[str, ...]
    constants: tuple[tuple[str, int], ...] = ()

    def source(self, machine: str | None = None) -> str:
        """The text; `machine` takes the place of the file that knows the GPU."""
        head = _read(MACHINE) if machine is None else machine
        defined = "".join(f"#define {name} {value}\n" for name, value in self.constants)
        bodies = "\n".join(f'#line 1 "{part}"\n{_read(part)}' for part in self.parts)
        return f"{defined}{head}\n{_row_table()}\n{bodies}"


@dataclass(frozen=True, slots=True)
class Variant:
    """A blind rotation for so many ciphertexts to a block of threads."""

    ciphertexts: int
    key_steps: int  # in shared memory; 0 reads the key where it lies

    @property
    def program(self) -> Program:
        """What is compiled."""
        constants = (("CIPHERTEXTS", self.ciphertexts), ("KEY_STEPS", self.key_steps))
        return Program(f"rotation-{self.ciphertexts}-{self.key_steps}", ROTATION, constants)

    @property
    def threads(self) -> int:
        """Of a block."""
        return GROUP_THREADS * self.ciphertexts

    @property
    def shared_bytes(self) -> int:
        """Of a block: key, then accumulators and work, factors, barriers (`blind_rotation.cu`)."""
        key = self.key_steps * _KEY_STEP_BYTES
        return key + self.ciphertexts * _CIPHERTEXT_BYTES + _FACTOR_BYTES + _BARRIER_BYTES


INTEGER_PROGRAM: Final = Program("integers", INTEGERS)
SQUASHING_PROGRAM: Final = Program("squashing", SQUASHING)
# A block's shared memory decides: 227 KB on sm_90, 163 KB on sm_80, which has no engine for bulk copies.
WITH_COPY_ENGINE: Final = (Variant(1, 2), Variant(2, 1), Variant(3, 1))
WITHOUT_COPY_ENGINE: Final = (Variant(1, 0), Variant(2, 0))
COPY_ENGINE_SINCE: Final = (9, 0)
OLDEST: Final = (8, 0)  # products of bytes with sums of 32 bits on the tensor cores


def variants(architecture: tuple[int, int]) -> tuple[Variant, ...]:
    """Those for a machine, from the one for latency to the one for throughput."""
    return WITH_COPY_ENGINE if architecture >= COPY_ENGINE_SINCE else WITHOUT_COPY_ENGINE


def chosen(among: tuple[Variant, ...], batch: int, multiprocessors: int) -> Variant:
    """The narrowest variant that takes a batch in one wave, else the widest."""
    fitting = (each for each in among if batch <= each.ciphertexts * multiprocessors)
    return next(fitting, among[-1])


def least_batches(among: tuple[Variant, ...], multiprocessors: int) -> tuple[int, ...]:
    """The smallest batch for which each of them is chosen."""
    return (1, *(narrower.ciphertexts * multiprocessors + 1 for narrower in among[:-1]))


@cache
def _read(name: str) -> str:
    return (files("streams.fhe.devices.cuda") / "kernels" / name).read_text()


@cache
def _row_table() -> str:
    # In hexadecimal: no compiler rounds them again.
    words = [
        part.hex() for factor in row_factors().reshape(-1).tolist() for part in (factor.real, factor.imag)
    ]
    return f"__constant__ double ROW_FACTORS[{len(words)}] = {{{', '.join(words)}}};"
