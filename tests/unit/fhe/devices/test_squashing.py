"""Two blocks become one, as TFHE-rs puts them together."""

import numpy as np

from streams.fhe.devices.cpu_squashing import paired


def rows(*numbers: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    return np.array([[number] * 3 for number in numbers], np.uint64)


def test_the_first_of_two_is_the_lower_one() -> None:
    assert paired(rows(1, 2, 3, 1)).tolist() == rows(1 + 4 * 2, 3 + 4 * 1).tolist()


def test_a_last_one_alone_stays_alone() -> None:
    assert paired(rows(3)).tolist() == rows(3).tolist()
    assert paired(rows(1, 2, 3)).tolist() == rows(9, 3).tolist()


def test_what_is_given_stays() -> None:
    blocks = rows(1, 2)
    paired(blocks)
    assert blocks.tolist() == rows(1, 2).tolist()
