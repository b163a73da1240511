"""The pinned TFHE parameter set, each field as the papers define it.

The set is `V1_5_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of TFHE-rs 1.6.3, the compute part of the
protocol's meta-parameters. Symbols follow Chillotti, Gama, Georgieva, Izabachène, "TFHE: Fast Fully
Homomorphic Encryption over the Torus" (J. Cryptology 2020) and Chillotti, Joye, Paillier, "Programmable
Bootstrapping Enables Efficient Homomorphic Inference" (CSCML 2021). The modulus q is 2^64, but for squashed
ciphertexts.
"""

from dataclasses import dataclass
from typing import Final

# Not a parameter: all ciphertexts of the protocol but squashed ones (128 bits, native code only) have this
# modulus.
WORD_BITS: Final = 64  # log2 q: torus elements are 64-bit words, arithmetic wraps
WIDE_BITS: Final = 128  # log2 q of squashed ciphertexts


@dataclass(frozen=True, slots=True)
class Gadget:
    """A gadget decomposition: a word becomes `level` signed digits of `base_log` bits each."""

    base_log: int  # log2 B; digits lie in [-B/2, B/2]
    level: int  # l, the number of digits; the word's low 64 - base_log * level bits are rounded away

    @property
    def base(self) -> int:
        """B."""
        return 1 << self.base_log

    @property
    def kept_bits(self) -> int:
        """The bits of a word that its digits represent."""
        return self.base_log * self.level


@dataclass(frozen=True, slots=True)
class Parameters:
    """One TFHE parameter set with binary keys and TUniform noise."""

    lwe_dimension: int  # n: length of the small LWE key; a blind rotation takes n steps
    glwe_dimension: int  # k: number of mask polynomials of a GLWE ciphertext
    polynomial_size: int  # N, a power of two: the ring is Z_q[X] / (X^N + 1)
    pbs: Gadget  # of the GGSW ciphertexts in the bootstrapping key
    ks: Gadget  # of the key-switching key from the big to the small LWE key
    lwe_noise_log2: int  # b of TUniform(b), in units of 1/q: noise of the key-switching key
    glwe_noise_log2: int  # b of TUniform(b), in units of 1/q: noise of the bootstrapping key
    message_bits: int  # bits of a block that belong to the number
    carry_bits: int  # bits of a block above them, for sums

    @property
    def big_dimension(self) -> int:
        """k N: length of the big LWE key, which is the GLWE key read as one vector."""
        return self.glwe_dimension * self.polynomial_size

    @property
    def space(self) -> int:
        """p: values of a block without the padding bit."""
        return 1 << (self.message_bits + self.carry_bits)

    @property
    def delta_log2(self) -> int:
        """log2 of the scale Delta = q / 2p: below the padding bit stand the p values of a block."""
        # 64 - 1 - 4 = 59: Delta = 2^59
        return WORD_BITS - 1 - self.message_bits - self.carry_bits

    @property
    def box(self) -> int:
        """N / p: coefficients of a test polynomial that belong to one value."""
        # 2048 / 16 = 128
        return self.polynomial_size // self.space

    @property
    def rotation_log2(self) -> int:
        """log2 2N: the modulus switch leaves this many bits of a word."""
        # bit_length of a power of two is its logarithm plus one: 12 for N = 2048, so 2N = 4096
        return self.polynomial_size.bit_length()


# One bootstrap fails with at most 2^-128 up to a squared norm of 39 (`noise`), at 132 bits of security
# (`security`).
# None of these numbers is ours to choose: keys and ciphertexts come from the network.
PINNED: Final = Parameters(
    lwe_dimension=918,
    glwe_dimension=1,
    polynomial_size=2048,
    pbs=Gadget(base_log=23, level=1),
    ks=Gadget(base_log=4, level=4),
    lwe_noise_log2=45,
    glwe_noise_log2=17,
    message_bits=2,
    carry_bits=2,
)


@dataclass(frozen=True, slots=True)
class CompressionParameters:
    """How ciphertexts are stored: packed into GLWE ciphertexts of another key whose words are rounded."""

    glwe_dimension: int  # k of the packed ciphertexts
    polynomial_size: int  # N of the packed ciphertexts, and how many LWE ciphertexts one of them holds
    packing: Gadget  # of the key that packs
    noise_log2: int  # b of TUniform(b), in units of 1/q: noise of that key
    storage_log2: int  # log2 of the modulus to which words are rounded
    unpacking: Gadget  # of the bootstrapping key from the packed ciphertexts' key to the big one

    @property
    def dimension(self) -> int:
        """k N: bits of the packed ciphertexts' key."""
        return self.glwe_dimension * self.polynomial_size


# `V1_5_COMP_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of TFHE-rs 1.6.3
# 4 * 256 words of mask and a word per block, 12 bits each: 1,584 bytes for the 32 blocks of a Uint64. What
# is stored is 1,919 with the crate's headers.
COMPRESSION: Final = CompressionParameters(
    glwe_dimension=4,
    polynomial_size=256,
    packing=Gadget(base_log=4, level=3),
    noise_log2=43,
    storage_log2=12,
    unpacking=Gadget(base_log=23, level=1),
)


@dataclass(frozen=True, slots=True)
class ReRandomisationParameters:
    """How loaded ciphertexts are re-randomised: zeros of a compact public key, switched to the big key."""

    noise_log2: int  # b of TUniform(b), in units of 1/q: of the public key and of what is encrypted with it
    switch: Gadget  # of the keyswitch to the big key, whose noise is that of the bootstrapping key


# `LegacyDedicatedCompactPublicKeyWithKeySwitch` of the meta-parameters of TFHE-rs 1.6.3.
RE_RANDOMISATION: Final = ReRandomisationParameters(noise_log2=17, switch=Gadget(base_log=24, level=1))


@dataclass(frozen=True, slots=True)
class SquashingParameters:
    """How noise is squashed: a bootstrap to words modulo 2^128, whose results are packed for storage."""

    glwe_dimension: int  # k of the squashed ciphertexts
    polynomial_size: int  # N of the squashed ciphertexts
    pbs: Gadget  # of the bootstrapping key, in 128-bit words
    noise_log2: int  # b of TUniform(b), in units of 2^-128: noise of the bootstrapping key
    packing: Gadget  # of the packing key, in 128-bit words
    packed_noise_log2: int  # b of its noise
    packed_dimension: int  # k of the packed ciphertexts
    packed_size: int  # N of the packed ciphertexts
    packed_most: int  # LWE ciphertexts that one of them holds

    @property
    def dimension(self) -> int:
        """k N: bits of the key that squashed ciphertexts are under."""
        return self.glwe_dimension * self.polynomial_size

    @property
    def packed_mask(self) -> int:
        """Words of a packed ciphertext in front of its bodies."""
        return self.packed_dimension * self.packed_size


# `NOISE_SQUASHING_PARAM_` and `NOISE_SQUASHING_COMP_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` of
# TFHE-rs 1.6.3
SQUASHING: Final = SquashingParameters(
    glwe_dimension=2,
    polynomial_size=2048,
    pbs=Gadget(base_log=24, level=3),
    noise_log2=30,
    packing=Gadget(base_log=61, level=1),
    packed_noise_log2=3,
    packed_dimension=6,
    packed_size=1024,
    packed_most=128,
)
