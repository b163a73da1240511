"""Keys lie where Java's producer puts them."""

import pytest

from streams.domain.partition import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # signed values published with Kafka's own hash tests
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hash_equals_java(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected & 0xFFFFFFFF


def test_partition_ignores_the_sign() -> None:
    assert partition_of(b"21", 24) == (-973932308 & 0x7FFFFFFF) % 24


def test_every_key_has_a_place() -> None:
    places = {partition_of(number.to_bytes(4, "big"), 24) for number in range(2_000)}
    assert places == set(range(24))
