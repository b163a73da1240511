import numpy as np
import pytest

from streams.fhe.devices import encoding, lwe
from streams.fhe.devices.decomposition import decompose, weights
from streams.fhe.devices.polynomial import negacyclic_product
from streams.fhe.devices.randomness import SeededSource, binary_key
from streams.fhe.devices.re_randomisation import (
    GADGET,
    NOISE_LOG2,
    LimbSwitch,
    PublicKey,
    ReRandomiser,
    zeros,
)
from streams.fhe.devices.words import Words, as_signed, as_words
from streams.fhe.parameters import PINNED

SIZE = 256
SOURCE = SeededSource(b"keys")
SECRET, BIG = binary_key(SOURCE, SIZE), binary_key(SOURCE, SIZE)


def public_key() -> PublicKey:
    mask = SOURCE.uniform((SIZE,))
    body = negacyclic_product(as_signed(SECRET[::-1].copy()), mask)
    return PublicKey(mask, body + as_words(SOURCE.noise(NOISE_LOG2, (SIZE,))))


PUBLIC = public_key()
ROWS = lwe.encrypt(SOURCE, BIG, SECRET * weights(GADGET), NOISE_LOG2)
RE_RANDOMISE = ReRandomiser(PUBLIC, LimbSwitch(ROWS))
MESSAGES = encoding.encode(PINNED, np.arange(16))
GIVEN = lwe.encrypt(SeededSource(b"in"), BIG, MESSAGES, NOISE_LOG2)


def noise_of(ciphertexts: Words, key: Words, messages: Words) -> int:
    return int(abs(as_signed(lwe.phase(key, ciphertexts) - messages)).max())


def test_zeros_are_encryptions_of_zero_each_with_a_mask_of_its_own() -> None:
    made = zeros(PUBLIC, b"seed", 20)
    assert noise_of(made, SECRET, np.zeros(20, np.uint64)) < 1 << 24  # 2^17 of N coefficients
    assert len({row.tobytes() for row in made[:, :-1]}) == 20


def test_messages_stay_and_everything_else_changes() -> None:
    fresh = RE_RANDOMISE([(GIVEN, b"seed")])[0]
    # digits of 24 bits times noise of 17: far below a bootstrap's noise of 2^49
    assert noise_of(fresh, BIG, MESSAGES) < 1 << 46
    assert (fresh != GIVEN).all(axis=0).mean() > 0.99


def test_a_seed_decides_the_words() -> None:
    first, same, other = (RE_RANDOMISE([(GIVEN, seed)])[0] for seed in (b"a", b"a", b"b"))
    assert (first == same).all()
    assert (first != other).any()


def test_words_do_not_depend_on_what_is_re_randomised_beside_them() -> None:
    numbers = [(GIVEN[:5], b"a"), (GIVEN, b"b"), (GIVEN[3:4], b"a")]
    for number, found in zip(numbers, RE_RANDOMISE(numbers), strict=True):
        assert (found == RE_RANDOMISE([number])[0]).all()
    assert RE_RANDOMISE([]) == []


def test_a_word_does_not_depend_on_how_many_follow() -> None:
    assert (zeros(PUBLIC, b"seed", 3) == zeros(PUBLIC, b"seed", 3)).all()
    assert (zeros(PUBLIC, b"seed", 3)[:, :-1] == zeros(PUBLIC, b"seed", 9)[:3, :-1]).all()


@pytest.mark.parametrize("bits", [16, 31, 48, 64])
def test_the_product_is_exact_for_words_of_any_size(bits: int) -> None:
    rows = SeededSource(b"rows").uniform((SIZE, SIZE + 1)) >> np.uint64(64 - bits)
    (made,) = ReRandomiser(PUBLIC, LimbSwitch(rows))([(np.zeros((2, SIZE + 1), np.uint64), b"seed")])
    given = zeros(PUBLIC, b"seed", 2)
    expected = -(as_words(decompose(given[:, :-1], GADGET)[..., 0]) @ rows)
    expected[:, -1] += given[:, -1]
    assert (made == expected).all()
