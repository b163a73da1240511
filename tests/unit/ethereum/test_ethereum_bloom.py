"""A bloom never denies what is there."""

from streams.adapters.ethereum.bloom import BLOOM_BYTES, bloom_of, explains, may_hold
from streams.domain.facts import Log

ACL, CALLER = b"\xac" * 20, bytes.fromhex("000000000000000000000000f39fd6e51aad88f6f4ce6ab8827279cfffb92266")
TOPIC = b"\x11" * 32
# What anvil 1.7.1 wrote into the header of a block with one such log: the bytes that are not zero, by place.
HEADER = {26: 32, 82: 2, 107: 1, 120: 32, 147: 4, 188: 32, 192: 2, 199: 32, 212: 32}


def a_log(address: bytes, *topics: bytes) -> Log:
    return Log(address=address, topics=topics, data=b"", transaction_hash=bytes(32), log_index=0)


def test_address_and_topics_are_held_and_others_are_not() -> None:
    bloom = bloom_of([a_log(ACL, TOPIC, CALLER)])
    assert len(bloom) == BLOOM_BYTES
    assert all(may_hold(bloom, item) for item in (ACL, TOPIC, CALLER))
    assert not may_hold(bloom, b"\xee" * 20)
    assert not may_hold(bytes(BLOOM_BYTES), ACL)
    assert bloom_of([]) == bytes(BLOOM_BYTES)


def test_the_bloom_is_the_one_that_a_node_writes() -> None:
    assert bloom_of([a_log(ACL, TOPIC, CALLER)]) == bytes(HEADER.get(at, 0) for at in range(BLOOM_BYTES))


def test_logs_explain_a_bloom_when_none_is_missing() -> None:
    ours, other = a_log(ACL, TOPIC), a_log(b"\x01" * 20, CALLER)
    bloom = bloom_of([ours, other])
    assert explains([ours, other], bloom)
    assert explains([ours, other, a_log(b"\x02" * 20)], bloom)
    assert not explains([ours], bloom)
    assert not explains([], bloom)
