from dataclasses import FrozenInstanceError

import pytest

from streams.fhe.parameters import PINNED, WORD_BITS, Gadget


def test_the_pinned_set_is_the_protocols() -> None:
    assert (PINNED.lwe_dimension, PINNED.glwe_dimension, PINNED.polynomial_size) == (918, 1, 2048)
    assert (PINNED.pbs, PINNED.ks) == (Gadget(23, 1), Gadget(4, 4))
    assert (PINNED.lwe_noise_log2, PINNED.glwe_noise_log2) == (45, 17)


def test_derived_fields_follow_their_definitions() -> None:
    assert PINNED.big_dimension == 2048
    assert PINNED.space == 16
    assert PINNED.space << PINNED.delta_log2 == 1 << (
        WORD_BITS - 1
    )  # the padding bit stands above the values
    assert PINNED.box * PINNED.space == PINNED.polynomial_size
    assert 1 << PINNED.rotation_log2 == 2 * PINNED.polynomial_size


def test_digits_represent_base_to_the_level() -> None:
    assert Gadget(4, 4).base == 16
    assert Gadget(4, 4).kept_bits == 16


def test_a_set_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        PINNED.lwe_dimension = 17  # pyright: ignore[reportAttributeAccessIssue]
