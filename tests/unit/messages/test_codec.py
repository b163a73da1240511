"""Announcements and control messages under the keys that compaction needs."""

import pytest
from msgspec.structs import replace

from streams.domain.control import (
    AcknowledgedAlarm,
    Acknowledgement,
    CiphertextAnnouncement,
    Control,
    CrsAnnouncement,
    FeatureSwitch,
    KeySetAnnouncement,
    Pause,
    TenantControl,
    WorkerHeartbeat,
)
from streams.domain.errors import Undecodable
from streams.messages import codec

KEYSET = KeySetAnnouncement(key_id=b"\x01" * 32, digest=b"d", engine="clear", release="0.15", urls=("u",))
CRS = CrsAnnouncement(crs_id=b"\x02" * 32, digest=b"d", urls=())
BEAT = WorkerHeartbeat(
    worker="w-1", work_class="tfhe", slots=2, engine="clear", key_ids=(), partitions=(1, 2), at_ms=3
)
RESUME = TenantControl(tenant="1.aa", action="resume", request="r1")
KNOWN = Acknowledgement(
    tenant="1.aa",
    kind="drift",
    alarms=(AcknowledgedAlarm(subject=b"\x04" * 32, detail_digest=b"d"),),
    reason="why",
    request="r2",
)
PAUSE = Pause(scope="class", name="sns")
SWITCH = FeatureSwitch(feature="locality", enabled=True)
CIPHERTEXT = CiphertextAnnouncement(
    tenant="1.aa",
    handle=b"\x03" * 32,
    fhe_type=5,
    key_id=b"k",
    ct64_digest=b"a",
    ct128_digest=b"b",
    format=11,
)


def test_announcements_read_back() -> None:
    for message in (KEYSET, CRS):
        assert codec.decode_announcement(codec.encode(message)) == message


def test_control_reads_back() -> None:
    for message in (BEAT, RESUME, KNOWN, PAUSE, SWITCH):
        assert codec.decode_control(codec.encode(message)) == message


def test_ciphertext_announcement_reads_back() -> None:
    assert codec.decode_ciphertext(codec.encode(CIPHERTEXT)) == CIPHERTEXT


def test_keys() -> None:
    assert codec.key_of(KEYSET) == b"keyset/" + b"01" * 32
    assert codec.key_of(CRS) == b"crs/" + b"02" * 32
    assert codec.key_of(BEAT) == b"worker/w-1"
    assert codec.key_of(RESUME) == b"tenant/1.aa"
    assert codec.key_of(KNOWN) == b"acknowledgement/r2"  # of each word its own: none replaces another
    assert codec.key_of(PAUSE) == b"pause/class/sns"
    assert codec.key_of(SWITCH) == b"feature/locality"
    assert codec.key_of(CIPHERTEXT) == b"1.aa/" + b"03" * 32


def test_fields_of_a_newer_writer_are_ignored() -> None:
    value = codec.encode(RESUME)[:-1] + b',"added_later":[1]}'
    assert codec.decode_control(value) == RESUME


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (replace(PAUSE, name="a\0b"), "name has a NUL"),
        (replace(BEAT, worker="a\0b"), "worker has a NUL"),
        (replace(KNOWN, reason="k\0"), "reason has a NUL"),
        (replace(RESUME, request="r" * 201), "request of 201 characters"),
        (replace(SWITCH, feature="f" * 201), "feature of 201 characters"),
        (replace(BEAT, worker="w" * 201), "worker of 201 characters"),
        (replace(BEAT, key_ids=(b"k" * 201,)), "key_ids of more than 200 bytes"),
        (replace(BEAT, slots=1 << 31), "out of range"),
        (replace(BEAT, partitions=(-1,)), "out of range"),
        (replace(KNOWN, alarms=(AcknowledgedAlarm(subject=b"s" * 201, detail_digest=b""),)), "more than 200"),
    ],
)
def test_words_that_no_query_takes_are_refused(message: Control, complaint: str) -> None:
    with pytest.raises(Undecodable, match=complaint):
        codec.decode_control(codec.encode(message))


def test_a_reason_may_be_long() -> None:
    said = replace(KNOWN, reason="why" * 1000)
    assert codec.decode_control(codec.encode(said)) == said


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff\xfe", b'{"type":"worker"}', b'{"type":"new"}'])
def test_garbage_is_undecodable(value: bytes) -> None:
    for decode in (codec.decode_announcement, codec.decode_control, codec.decode_ciphertext):
        with pytest.raises(Undecodable):
            decode(value)
