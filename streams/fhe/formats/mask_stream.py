"""The public randomness of a seeded key: AES-128 in counter mode, as key generation drew it.

All keys of a `CompressedXofKeySet` are drawn from one stream, one after another; each file entry names the
block at which its part begins. The keys of a `CompressedServerKey` have a seed and a stream each. Only bodies
are stored, the masks are drawn again.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from Crypto.Cipher import AES
from Crypto.Util import Counter
from numpy.typing import NDArray

from streams.domain.errors import KeyMaterialError

BLOCK_BYTES: Final = 16
WORD_BYTES: Final = 8
_AES: Any = AES  # its own annotations are not complete


@dataclass(frozen=True)
class MaskStart:
    """Where in which stream the masks of a key begin."""

    seed: bytes  # 8 bytes of domain separator, then the seed itself; or the cipher's key
    block: int
    byte: int
    is_key: bool = False  # the seed is the cipher's key and the counter begins at 0

    def after(self, blocks: int) -> "MaskStart":
        """The start that lies that many blocks behind this one."""
        return replace(self, block=self.block + blocks)

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next `count` words of the stream; raises KeyMaterialError at a start inside of a block."""
        # Parts of this release's key sets begin at whole blocks; anything else is refused, not guessed.
        if self.byte:
            raise KeyMaterialError(f"masks that begin at byte {self.byte} of a block are not known here")
        key, first = (self.seed, 0) if self.is_key else _initialised(self.seed)
        # The counter is one little-endian number of 128 bits.
        counter = Counter.new(128, initial_value=(first + self.block) % (1 << 128), little_endian=True)
        cipher = _AES.new(key, _AES.MODE_CTR, counter=counter)
        # Counter mode encrypts zeros: what comes out is the key stream itself, two words to a block.
        return np.frombuffer(cipher.encrypt(bytes(count * WORD_BYTES)), "<u8")


def _initialised(seed: bytes) -> tuple[bytes, int]:
    """AES key and first counter of a seed: blocks of a CBC-MAC under the zero key (ePrint 2025/699)."""
    # Padded to whole blocks, then the length in bits: seeds of different lengths cannot give equal inputs.
    blocks = seed + bytes(-len(seed) % BLOCK_BYTES) + (8 * len(seed)).to_bytes(BLOCK_BYTES, "little")
    chained = _AES.new(bytes(BLOCK_BYTES), _AES.MODE_CBC, iv=bytes(BLOCK_BYTES)).encrypt(blocks)
    # The last block is the key, the one before it where the counter begins.
    return chained[-BLOCK_BYTES:], int.from_bytes(chained[-2 * BLOCK_BYTES : -BLOCK_BYTES], "little")
