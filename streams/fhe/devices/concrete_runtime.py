"""The runtime library of concrete-python, called through ctypes: nothing is compiled, nothing of it imported.

Around it the wheel has a compiler, and by its requirements torch; a device takes one shared library, whose
C functions `concrete_cpu_*` are keyswitch and bootstrap of words as TFHE-rs had them when it was built. No
document promises them, so exactly one version is bound.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.domain.errors import DeviceMissing
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Gadget

DISTRIBUTION: Final = "concrete-python"
VERSION: Final = "2.11.0"
HOW: Final = f"pip install --no-deps {DISTRIBUTION}=={VERSION} (Linux on x86-64 or macOS on arm64)"
ALIGNMENT: Final = 128  # of Fourier words and of scratch memory: what the library aligns to itself

_LIBRARY: Final = "libConcretelangRuntime"
_PREFIX: Final = "concrete_cpu_"
_TRANSFORM_BYTES: Final = "CONCRETE_FFT_SIZE"
_SIZE, _ADDRESS = ctypes.c_size_t, ctypes.c_void_p
_ANSWER = ctypes.POINTER(ctypes.c_size_t)
# Arguments of the functions; those that ask for a size of scratch memory return a status, the others nothing.
_FUNCTIONS: Final[Mapping[str, Sequence[Any]]] = {
    "construct_concrete_fft": (_ADDRESS, _SIZE),
    "keyswitch_lwe_ciphertext_u64": (*[_ADDRESS] * 3, *[_SIZE] * 4),
    "bootstrap_key_convert_u64_to_fourier_scratch": (_ANSWER, _ANSWER, _ADDRESS),
    "bootstrap_key_convert_u64_to_fourier": (*[_ADDRESS] * 2, *[_SIZE] * 5, *[_ADDRESS] * 2, _SIZE),
    "bootstrap_lwe_ciphertext_u64_scratch": (_ANSWER, _ANSWER, *[_SIZE] * 2, _ADDRESS),
    "bootstrap_lwe_ciphertext_u64": (*[_ADDRESS] * 4, *[_SIZE] * 5, *[_ADDRESS] * 2, _SIZE),
}

_Memory = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FourierKey:
    """A bootstrapping key as the library multiplies with it; only this process can use it."""

    words: _Memory
    transform: _Memory  # the library's own object, alive as long as the key
    shape: tuple[int, int, int, int, int]  # level, base_log, k, N, n: in the order of the arguments
    scratch_bytes: int


class Runtime:
    """The library's functions on arrays in a row."""

    def __init__(self, path: Path) -> None:
        """Raises DeviceMissing where the library does not load or lacks a function."""
        try:
            # not PyDLL: a call lets go of the interpreter's lock, so that threads compute side by side
            library = ctypes.CDLL(str(path))
            self._transform_bytes = ctypes.c_size_t.in_dll(library, _TRANSFORM_BYTES).value
            self._functions = {name: _bound(library, name) for name in _FUNCTIONS}
        except (OSError, ValueError, AttributeError) as error:
            raise DeviceMissing(f"{path.name} is not the library of {DISTRIBUTION} {VERSION}") from error

    def key_switch(self, rows: Words, gadget: Gadget, ciphertext: Words) -> Words:
        """A ciphertext (k N + 1,) under the key of rows (k N, level, n + 1): (n + 1,)."""
        inputs, level, outputs = rows.shape
        switched = np.empty(outputs, np.uint64)
        places = _at(switched), _at(ciphertext), _at(rows)
        # dimensions, which do not count the body
        self._call("keyswitch_lwe_ciphertext_u64", *places, level, gadget.base_log, inputs, outputs - 1)
        return switched

    def fourier_key(self, bits: Words, gadget: Gadget) -> FourierKey:
        """GGSW ciphertexts (n, level, k + 1, k + 1, N) transformed, in about 50 ms for 60 MB."""
        count, level, rows, _, size = bits.shape
        shape = level, gadget.base_log, rows - 1, size, count
        transform = _aligned(self._transform_bytes)
        self._call("construct_concrete_fft", _at(transform), size)
        scratch = _aligned(
            self._scratch_bytes("bootstrap_key_convert_u64_to_fourier_scratch", _at(transform))
        )
        # N / 2 complex doubles for N words: as many bytes
        words = _aligned(bits.nbytes)
        places = _at(transform), _at(scratch), len(scratch)
        self._call("bootstrap_key_convert_u64_to_fourier", _at(bits), _at(words), *shape, *places)
        asked = rows - 1, size, _at(transform)
        scratch_bytes = self._scratch_bytes("bootstrap_lwe_ciphertext_u64_scratch", *asked)
        return FourierKey(words, transform, shape, scratch_bytes)

    def bootstrap(self, key: FourierKey, ciphertext: Words, table: Words) -> tuple[Words, Words]:
        """The constant coefficient after a blind rotation, and the accumulator that the rotation has left.

        Args:
            key: of n bits.
            ciphertext: (n + 1,).
            table: a trivial GLWE ciphertext (k + 1, N).

        Returns:
            An LWE ciphertext (k N + 1,), and what lies at the beginning of the scratch memory afterwards,
            where the library keeps the accumulator (k + 1, N).
        """
        scratch = _aligned(key.scratch_bytes)
        result = np.empty(table.size - table.shape[-1] + 1, np.uint64)
        places = _at(result), _at(ciphertext), _at(table), _at(key.words)
        beside = _at(key.transform), _at(scratch), len(scratch)
        self._call("bootstrap_lwe_ciphertext_u64", *places, *key.shape, *beside)
        return result, scratch[: table.nbytes].view(np.uint64).reshape(table.shape)

    def _scratch_bytes(self, name: str, *arguments: int) -> int:
        size, alignment = ctypes.c_size_t(), ctypes.c_size_t()
        status = self._call(name, ctypes.byref(size), ctypes.byref(alignment), *arguments)
        assert status == 0
        assert alignment.value <= ALIGNMENT
        return size.value

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._functions[name](*arguments)


@cache
def runtime() -> Runtime:
    """The installed library, loaded once; raises DeviceMissing."""
    return Runtime(installed())


def installed() -> Path:
    """Where the library is; raises DeviceMissing, with the command that installs it."""
    try:
        found = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise DeviceMissing(f"the device concrete needs {DISTRIBUTION}: {HOW}") from error
    if found.version != VERSION:
        raise DeviceMissing(f"the device concrete needs {DISTRIBUTION} {VERSION}, not {found.version}: {HOW}")
    paths = [file for file in found.files or () if file.name.startswith(_LIBRARY)]
    if not paths:
        raise DeviceMissing(f"{DISTRIBUTION} is here without its library {_LIBRARY}: {HOW}")
    return Path(str(paths[0].locate()))


def _bound(library: ctypes.CDLL, name: str) -> Any:
    function = library[_PREFIX + name]
    function.argtypes = _FUNCTIONS[name]
    function.restype = ctypes.c_uint32 if name.endswith("_scratch") else None
    return function


def _aligned(count: int) -> _Memory:
    memory = np.empty(count + ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + count]


def _at(array: NDArray[Any]) -> int:
    # The library reads what lies there, in a row: another array would be nonsense, or the end of the process.
    assert array.flags.c_contiguous
    return array.ctypes.data
