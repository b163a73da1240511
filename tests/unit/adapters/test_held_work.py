"""A record in a worker's hands is given back once, whoever says so how often."""

from streams.adapters.held_work import HeldWork
from streams.adapters.kafka.offsets import OpenOffsets
from streams.ports import Record

RECORD = Record(topic="work.v1", partition=3, offset=7, key=b"k", value=b"v")


def test_it_is_given_back_once() -> None:
    given_back: list[HeldWork] = []
    work = HeldWork(RECORD, OpenOffsets(), given_back.append)
    assert work.record is RECORD
    assert given_back == []
    work.done()
    work.done()
    assert given_back == [work]
