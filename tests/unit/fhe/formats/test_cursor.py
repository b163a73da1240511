import pytest

from streams.domain.errors import KeyMaterialError
from streams.fhe.formats.cursor import Cursor


def cursor(content: bytes) -> Cursor:
    return Cursor(memoryview(content))


def test_numbers_are_little_endian_and_follow_each_other() -> None:
    read = cursor(
        bytes([1]) + (2).to_bytes(4, "little") + (3).to_bytes(8, "little") + (4).to_bytes(16, "little")
    )
    assert (read.u8(), read.u32(), read.u64(), read.u128()) == (1, 2, 3, 4)
    read.end()


@pytest.mark.parametrize("length", range(8))
def test_a_cut_number_names_its_place(length: int) -> None:
    with pytest.raises(KeyMaterialError, match="no 8 bytes more at byte 0"):
        cursor(bytes(length)).u64()


def test_another_version_names_its_place() -> None:
    read = cursor((7).to_bytes(4, "little") + (9).to_bytes(4, "little"))
    with pytest.raises(KeyMaterialError, match="no version or variant 8 at byte 4"):
        read.marks(7, 8)


def test_another_value_is_refused_only_where_one_is_due() -> None:
    content = bytes(4) + (5).to_bytes(8, "little")
    assert cursor(content).wrapped() == cursor(content).wrapped(5) == 5
    with pytest.raises(KeyMaterialError, match="the number 6 at byte 4"):
        cursor(content).wrapped(6)


def test_a_missing_part_is_refused() -> None:
    with pytest.raises(KeyMaterialError, match="a part that is present"):
        cursor(bytes(1)).present()


def test_an_optional_part_is_there_or_not_and_nothing_else() -> None:
    assert [cursor(bytes([flag])).optional() for flag in (0, 1)] == [False, True]
    with pytest.raises(KeyMaterialError, match="flag of an optional part at byte 0"):
        cursor(b"\2").optional()


def test_a_variant_is_one_of_those_that_are_known() -> None:
    assert cursor(bytes([1, 0, 0, 0])).choice(2) == 1
    with pytest.raises(KeyMaterialError, match="variant below 2 at byte 0"):
        cursor(bytes([2, 0, 0, 0])).choice(2)


def test_a_count_beyond_the_bytes_takes_no_memory() -> None:
    with pytest.raises(KeyMaterialError, match="18446744073709551615 bytes more"):
        cursor(b"\xff" * 8).raw()


def test_an_array_of_another_length_is_refused() -> None:
    content = (2).to_bytes(8, "little") + bytes(16)
    assert cursor(content).words(2).tolist() == [0, 0]
    with pytest.raises(KeyMaterialError, match="the count 3"):
        cursor(content).words(3)


@pytest.mark.parametrize("count", [0, 4])
def test_a_count_out_of_bounds_is_refused(count: int) -> None:
    with pytest.raises(KeyMaterialError, match="count from 1 to 3"):
        cursor(count.to_bytes(8, "little")).bounded(3)


def test_what_follows_the_end_is_refused() -> None:
    read = cursor(bytes(5))
    read.u32()
    with pytest.raises(KeyMaterialError, match="the end at byte 4"):
        read.end()


def test_wide_words_are_pairs_with_the_low_half_first() -> None:
    content = (2).to_bytes(8, "little") + (1 + (2 << 64)).to_bytes(16, "little") + (3).to_bytes(16, "little")
    assert cursor(content).wide_words(2).tolist() == [[1, 2], [3, 0]]
    with pytest.raises(KeyMaterialError, match="32 bytes more"):
        cursor(content[:-1]).wide_words(2)
