"""The SIMD kernel: batches of TFHE bootstraps; see `native/kernel/src`.

Arrays are C-contiguous buffers of the named integers, u128 as pairs of u64 with the low one first; results are
little-endian words as bytes. The results do not
depend on `threads`, on `path` (a name out of `instruction_sets()`, by default the fastest), on the size of the batch
or on a ciphertext's place in it. All functions raise ValueError for a wrong shape.
"""

from typing import Final

from typing_extensions import Buffer

VERSION: Final[str]

class BootstrapKey:
    """GGSW ciphertexts of the bits of the small key, in the Fourier domain."""

    @staticmethod
    def prepare(standard: Buffer, dimension: int, path: str | None = None) -> BootstrapKey:
        """From u64 `[dimension][row 2][column 2][2048]`, as TFHE-rs has it."""
    @staticmethod
    def attach(prepared: Buffer) -> BootstrapKey:
        """From what `to_bytes` gave: read-only, and used in place where it lies on a cache line (a mapped file)."""
    @property
    def dimension(self) -> int: ...
    def to_bytes(self) -> bytes: ...
    def bootstrap(
        self,
        amounts: Buffer,
        tables: Buffer,
        table_of: Buffer,
        reads: Buffer,
        threads: int = 1,
        path: str | None = None,
    ) -> bytes:
        """Blind rotation and extraction: u16 `[batch][dimension + 1]` below 4096 to u64 `[reads][2049]`.

        The other arguments are those of `keyswitch_bootstrap`.
        """

class KeyswitchKey:
    """Keyswitch from the big key to the small one."""

    @staticmethod
    def prepare(standard: Buffer, dimension: int, levels: int = 4) -> KeyswitchKey:
        """From u64 `[2048][levels][dimension + 1]`, least significant level first, as TFHE-rs has it."""
    @staticmethod
    def attach(prepared: Buffer) -> KeyswitchKey: ...
    @property
    def dimension(self) -> int: ...
    def to_bytes(self) -> bytes: ...
    def keyswitch(self, lwes: Buffer, threads: int = 1, path: str | None = None) -> bytes:
        """u64 `[batch][2049]` to u64 `[batch][dimension + 1]`, equal to TFHE-rs's words."""

class PackingKey:
    """Keyswitch from the big LWE key into a GLWE key of `dimension` polynomials."""

    @staticmethod
    def prepare(standard: Buffer, dimension: int, polynomial_size: int, levels: int) -> PackingKey:
        """From u64 `[2048][levels][dimension + 1][polynomial_size]`, least significant level first."""
    @staticmethod
    def attach(prepared: Buffer) -> PackingKey: ...
    def to_bytes(self) -> bytes: ...
    def pack(self, lwes: Buffer, threads: int = 1, path: str | None = None) -> bytes:
        """u64 `[count][2049]` to the one u64 `[dimension + 1][polynomial_size]` that holds them as coefficients."""

class ReRandomisingKey:
    """Keyswitch from the secret of the compact public key to the big key: one digit of 24 bits for a mask word."""

    @staticmethod
    def attach(standard: Buffer) -> ReRandomisingKey:
        """From u64 `[2048][2049]`, as TFHE-rs has it: read-only, and always used in place (a mapped file)."""
    def switch(self, lwes: Buffer, threads: int = 1, path: str | None = None) -> bytes:
        """u64 `[batch][2049]` to u64 `[batch][2049]`, equal to TFHE-rs's words."""

class SquashingKey:
    """GGSW ciphertexts of the bits of the small key in 128-bit words, in the Fourier domain."""

    @staticmethod
    def header(dimension: int) -> bytes:
        """What a prepared key begins with; the steps follow, in any number of pieces."""
    @staticmethod
    def transform(standard: Buffer, path: str | None = None) -> bytes:
        """Steps of a prepared key, from u128 `[step][level 3][row 3][column 3][2048]`, least significant level first."""
    @staticmethod
    def attach(prepared: Buffer) -> SquashingKey:
        """From header and steps: read-only, and used in place where it lies on a cache line (a mapped file)."""
    @property
    def dimension(self) -> int: ...
    def squash(
        self, lwes: Buffer, keyswitch_key: KeyswitchKey, threads: int = 1, path: str | None = None
    ) -> bytes:
        """Blocks under the big key, u64 `[batch][2049]`, to u128 `[batch][4097]` with values in units of 2^123."""

class WidePackingKey:
    """Packing keyswitch of squashed ciphertexts into a GLWE key of `dimension` polynomials."""

    @staticmethod
    def header(dimension: int, polynomial_size: int) -> bytes:
        """What a prepared key begins with; four chunks follow."""
    @staticmethod
    def transform(standard: Buffer, dimension: int, polynomial_size: int) -> bytes:
        """A chunk of a prepared key, from u128 `[input 1024][dimension + 1][polynomial_size]`, as TFHE-rs has it."""
    @staticmethod
    def attach(prepared: Buffer) -> WidePackingKey: ...
    def pack(self, lwes: Buffer, threads: int = 1, path: str | None = None) -> bytes:
        """u128 `[count][4097]` to u128 `[dimension + 1][polynomial_size]`, equal to TFHE-rs's words."""

def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
def modulus_switch(small: Buffer, dimension: int) -> bytes:
    """u64 `[batch][dimension + 1]` to u16 rotation amounts below 4096, mean centred, the body cut."""

def keyswitch_bootstrap(
    lwes: Buffer,
    tables: Buffer,
    table_of: Buffer,
    reads: Buffer,
    keyswitch_key: KeyswitchKey,
    bootstrap_key: BootstrapKey,
    threads: int = 1,
    path: str | None = None,
) -> bytes:
    """A batch of look-ups: u64 `[batch][2049]` to u64 `[reads][2049]`.

    `tables`: u64 `[table][2048]` test polynomials, multiples of 2^32; `table_of`: u32 `[batch]`; `reads`: u32
    `[reads][2]`, the ciphertext and the coefficient of each output, by ascending ciphertext. Several coefficients
    of one ciphertext are several functions of it for one bootstrap.
    """
