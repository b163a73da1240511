"""The noise of loaded and of stored numbers, measured under the secret key of a devnet's set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.devnet import client
from streams.fhe.devices import lwe, packing
from streams.fhe.devices.words import Words, as_signed
from streams.fhe.formats.ciphertext_list import PackedNumber, read_number, write_number
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.known_answers import KnownAnswers
from streams.fhe.noise import bootstrap_variance
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.radix.steps import LOADED
from streams.fhe.storage_noise import stored_variance
from streams.fhe.suite import ClearValue
from streams.fhe.wave import key_files
from streams.fhe.wave.keys import WaveKeys

pytestmark = pytest.mark.fhe

BLOCKS = 32
FACTOR = 5  # of a zero that is added to a block: its noise 25 times
# Ciphertexts and keys are always the same, so a ratio to the model is too: it holds for ever or never.
LEAST, MOST = 0.6, 1.5
EXPECTED = LOADED * bootstrap_variance(PINNED)  # of a loaded block
STORED_LOG2 = 61  # of a digit in a packed ciphertext


@dataclass(frozen=True)
class Loaded:
    """Decompressed blocks of numbers that are known."""

    rows: Words  # (blocks, k N + 1)
    digits: list[int]

    def loud(self) -> Words:
        """The same digits, to each block five times one that holds 0 added."""
        zeros = [place for place, digit in enumerate(self.digits) if digit == 0]
        chosen = [
            next(zero for zero in np.roll(zeros, -index) if zero != index) for index in range(len(self.rows))
        ]
        return self.rows + self.rows[chosen] * np.uint64(FACTOR)


@pytest.fixture(scope="module")
def keys(generated: client.Generated, files: KeyFiles) -> WaveKeys:
    assert files.folder.exists()
    return key_files.opened(key_files.derived(KeyStore().keyset(generated.keyset_digest)), threads=2)


@pytest.fixture(scope="module")
def loaded(keys: WaveKeys, known: KnownAnswers) -> Loaded:
    given = [known.inputs[name] for name in ("a5", "b5", "c5")]
    glwes = [glwe for each in given for glwe in read_number(bytes.fromhex(each.ct64)).glwes]
    digits = [int(each.clear) >> 2 * place & 3 for each in given for place in range(BLOCKS)]
    return Loaded(np.concatenate(keys.storage.decompress(glwes)), digits)


@pytest.fixture(scope="module")
def secret(generated: client.Generated) -> bytes:
    return generated.client_key.read_bytes()


def test_a_loaded_block_is_as_loud_as_it_counts(secret: bytes, loaded: Loaded) -> None:
    assert LEAST < block_variance(secret, loaded.rows, loaded.digits) / EXPECTED < MOST


def test_a_stored_block_is_as_loud_as_the_model_says(secret: bytes, keys: WaveKeys, loaded: Loaded) -> None:
    (key,) = secret_bits(secret, COMPRESSION.dimension)
    for rows, norm2 in ((loaded.rows, LOADED), (loaded.loud(), (1 + FACTOR**2) * LOADED)):
        (glwe,) = keys.storage.compress(rows)
        turns = packing.exponents(glwe).astype(np.int64)
        phases = turns[:, -1] - turns[:, :-1] @ key.astype(np.int64)
        found = np.mean(
            np.square(deviations(phases << 64 - COMPRESSION.storage_log2, loaded.digits, STORED_LOG2))
        )
        expected = stored_variance(PINNED, COMPRESSION, norm2, len(rows))
        assert LEAST < found / expected < MOST


def test_loud_blocks_come_back_and_the_crate_reads_them(
    secret: bytes, files: KeyFiles, keys: WaveKeys, known: KnownAnswers, loaded: Loaded
) -> None:
    glwes = keys.storage.compress(loaded.loud()[:BLOCKS])
    samples = client.TfheSamples(secret, files)
    given = known.inputs["a5"]
    stored = write_number(PackedNumber(False, BLOCKS, glwes))
    assert samples.decrypt(stored) == ClearValue(given.type, int(given.clear))
    # Decompression is a bootstrap: nothing of the noise that was stored is left.
    (again,) = keys.storage.decompress(glwes)
    assert block_variance(secret, again, loaded.digits[:BLOCKS]) < 2 * EXPECTED


def secret_bits(secret: bytes, count: int) -> list[Words]:
    """The arrays of that many words in a client key that are all zero or one."""
    place, found = -1, list[Words]()
    while (place := secret.find(count.to_bytes(8, "little"), place + 1)) >= 0:
        words = np.frombuffer(secret[place + 8 : place + 8 + 8 * count], np.uint8)
        if len(words) == 8 * count and words.reshape(-1, 8)[:, 1:].max() == 0 and words.max() == 1:
            found.append(words.view(np.uint64))
    return found


def block_variance(secret: bytes, rows: Words, digits: Sequence[int]) -> float:
    # Several keys have this length; under a wrong one a phase is any number.
    keys = secret_bits(secret, PINNED.big_dimension)
    found = [deviations(as_signed(lwe.phase(key, rows)), digits, PINNED.delta_log2) for key in keys]
    return min(float(np.mean(np.square(each))) for each in found)


def deviations(phases: NDArray[np.int64], digits: Sequence[int], unit_log2: int) -> NDArray[np.float64]:
    """Relative to q."""
    due = np.array(digits, np.int64) << unit_log2
    # integers of 64 bits wrap as the torus does
    return (phases - due).astype(np.float64) / 2.0**64
