"""Keys as the GPU takes them: on the host in the CPU's order, in the GPU's when they are uploaded."""

from dataclasses import dataclass
from typing import Final

from streams.fhe.devices.cuda import layout
from streams.fhe.devices.cuda.gpu import Array
from streams.fhe.parameters import COMPRESSION, PINNED


@dataclass(frozen=True, eq=False)
class RotationKey:
    """A bootstrap key, from the SIMD kernel's prepared bytes."""

    prepared: memoryview

    @property
    def dimension(self) -> int:
        """n, the steps of a rotation."""
        return layout.rotation_steps(self.prepared)

    def array(self) -> Array:
        """In the order of the GPU's threads."""
        return layout.rotation_key(self.prepared)


@dataclass(frozen=True, eq=False)
class SquashKey:
    """A bootstrap key of 128-bit words, from the SIMD kernel's prepared bytes, which are not copied."""

    prepared: memoryview

    @property
    def dimension(self) -> int:
        """n, the steps of a rotation."""
        return layout.squashing_steps(self.prepared)

    def array(self) -> Array:
        """In the order of the file, in which the GPU's threads read it too."""
        return layout.squashing_key(self.prepared)


@dataclass(frozen=True, eq=False)
class WideKey:
    """A packing key of squashed ciphertexts, from the kernel's prepared bytes, which are not copied."""

    prepared: memoryview

    @property
    def polynomial_size(self) -> int:
        """Coefficients of a polynomial: more ciphertexts do not fit into one."""
        return layout.wide_packing_shape(self.prepared)[1]

    @property
    def columns(self) -> int:
        """Words of 128 bits of a packed ciphertext."""
        dimension, size = layout.wide_packing_shape(self.prepared)
        return (dimension + 1) * size

    def array(self) -> Array:
        """In the order of the file, in which the GPU's threads read it too."""
        return layout.wide_packing_key(self.prepared)


@dataclass(frozen=True, eq=False)
class SwitchKey:
    """A keyswitch key from the big key, from the SIMD kernel's prepared bytes."""

    prepared: memoryview
    levels: int
    body: int  # the output word to which an input's body is added
    is_tie_rounded: bool  # which way a word between the largest digits goes (`native/kernel/src/digits.rs`)

    @property
    def words(self) -> int:
        """Of an output."""
        return layout.keyswitch_words(self.prepared)

    def array(self) -> Array:
        """In the order of the tensor cores' registers."""
        return layout.keyswitch_key(self.prepared)


@dataclass(frozen=True, eq=False)
class Factors:
    """Of the Fourier transform."""

    def array(self) -> Array:
        """Those that differ between threads."""
        return layout.factor_table()


FACTORS: Final = Factors()


def switch_key(prepared: memoryview) -> SwitchKey:
    """To the small key, for look-ups."""
    words = layout.keyswitch_words(prepared)
    return SwitchKey(prepared, PINNED.ks.level, body=words - 1, is_tie_rounded=True)


def packing_key(prepared: memoryview) -> SwitchKey:
    """Into the GLWE key of stored ciphertexts: the body goes to the constant term of the last polynomial."""
    body = COMPRESSION.dimension
    return SwitchKey(prepared, COMPRESSION.packing.level, body=body, is_tie_rounded=False)
