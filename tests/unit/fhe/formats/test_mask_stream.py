"""The stream against a legible AES in counter mode; the crate's own words where real keys are."""

import pytest
from Crypto.Cipher import AES

from streams.domain.errors import KeyMaterialError
from streams.fhe.formats.mask_stream import MaskStart

SEED = b"TFHE_GEN" + bytes(range(16))


def block_of(index: int) -> bytes:
    """Block `index` of the stream: the seed's blocks chained under the zero key, then counted."""
    zero = AES.new(bytes(16), AES.MODE_ECB)
    chained = previous = bytes(16)
    for part in (SEED[:16], SEED[16:] + bytes(8), (8 * len(SEED)).to_bytes(16, "little")):
        previous = chained
        chained = zero.encrypt(bytes(a ^ b for a, b in zip(chained, part, strict=True)))
    counter = (int.from_bytes(previous, "little") + index) % (1 << 128)
    return AES.new(chained, AES.MODE_ECB).encrypt(counter.to_bytes(16, "little"))


@pytest.mark.parametrize("start", [0, 1, 255, 256, 0x500400])
def test_words_are_those_of_the_blocks(start: int) -> None:
    words = MaskStart(SEED, start, 0).words(5)
    expected = b"".join(block_of(start + i) for i in range(3))[:40]
    assert words.astype("<u8").tobytes() == expected


def test_a_later_start_is_the_same_stream() -> None:
    whole = MaskStart(SEED, 0, 0).words(64)
    assert MaskStart(SEED, 16, 0).words(32).tolist() == whole[32:].tolist()


@pytest.mark.parametrize("start", [0, 1, 255, 256])
def test_a_seed_that_is_the_key_counts_from_zero(start: int) -> None:
    cipher = AES.new(SEED[:16], AES.MODE_ECB)
    blocks = [cipher.encrypt((start + i).to_bytes(16, "little")) for i in range(2)]
    words = MaskStart(SEED[:16], start, 0, is_key=True).words(4)
    assert words.astype("<u8").tobytes() == b"".join(blocks)


def test_another_seed_is_another_stream() -> None:
    assert MaskStart(SEED[::-1], 0, 0).words(1) != MaskStart(SEED, 0, 0).words(1)


def test_a_start_inside_of_a_block_is_refused() -> None:
    with pytest.raises(KeyMaterialError, match="byte 1 of a block"):
        MaskStart(SEED, 0, 1).words(1)


def test_a_start_is_moved_by_blocks() -> None:
    assert MaskStart(SEED, 3, 0).after(13) == MaskStart(SEED, 16, 0)
