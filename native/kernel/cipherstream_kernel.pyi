"""The SIMD kernel: batches of TFHE bootstraps; see `native/kernel/src`.

Arrays are C-contiguous buffers of the named integers, results are little-endian words as bytes. The results do not
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
