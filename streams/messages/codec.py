"""Values of `keysets.v1`, `ciphertexts.v1` and `control.v1`; the keys that compaction keeps them under."""

from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from streams.domain.control import (
    Acknowledgement,
    Announcement,
    CiphertextAnnouncement,
    Control,
    CrsAnnouncement,
    FeatureSwitch,
    Pause,
    Priority,
    TenantControl,
    WorkerHeartbeat,
)
from streams.domain.errors import Undecodable

T = TypeVar("T")
_encoder = msgspec.json.Encoder()
_announcements = msgspec.json.Decoder(Announcement)
_controls = msgspec.json.Decoder(Control)
_ciphertexts = msgspec.json.Decoder(CiphertextAnnouncement)
# Of a name in characters, or an id in bytes: keys of rows among them, and an index holds 2,700 bytes in all.
_NAME_MAX: Final = 200
_COUNT_MAX: Final = (1 << 31) - 1
_PROSE: Final = frozenset({"reason"})  # what people write; in no index


def encode(message: Announcement | Control | CiphertextAnnouncement) -> bytes:
    """Value of the record that carries this message."""
    return _encoder.encode(message)


def decode_announcement(value: bytes) -> Announcement:
    """The announcement in a record of `keysets.v1`; raises Undecodable."""
    return _decode(_announcements, value, "an announcement")


def decode_control(value: bytes) -> Control:
    """The message in a record of `control.v1`; raises Undecodable."""
    control = _decode(_controls, value, "a control message")
    _check(control)
    return control


def decode_ciphertext(value: bytes) -> CiphertextAnnouncement:
    """The announcement in a record of `ciphertexts.v1`; raises Undecodable."""
    return _decode(_ciphertexts, value, "a ciphertext announcement")


def key_of(message: Announcement | Control | CiphertextAnnouncement) -> bytes:
    """Key of a message: one that is sent again replaces the one before."""
    match message:
        case CrsAnnouncement():
            return f"crs/{message.crs_id.hex()}".encode()
        case WorkerHeartbeat():
            return f"worker/{message.worker}".encode()
        case TenantControl():
            return f"tenant/{message.tenant}".encode()
        case Acknowledgement():
            return f"acknowledgement/{message.request}".encode()
        case Pause():
            return f"pause/{message.scope}/{message.name}".encode()
        case FeatureSwitch():
            return f"feature/{message.feature}".encode()
        case Priority():
            ending = f"/{message.work_class}" if message.work_class else ""
            return f"priority/{message.tenant}{ending}".encode()
        case CiphertextAnnouncement():
            return f"{message.tenant}/{message.handle.hex()}".encode()
        case _:
            return f"keyset/{message.key_id.hex()}".encode()


def _check(control: Control) -> None:
    """Refuse what no query takes: the topic is read again at each start, which would end with it."""
    for name in control.__struct_fields__:
        said: object = getattr(control, name)
        if isinstance(said, str):
            _check_text(name, said)
    if isinstance(control, WorkerHeartbeat):
        _check_ids("key_ids", control.key_ids)
        if not all(0 <= number <= _COUNT_MAX for number in (control.slots, *control.partitions)):
            raise Undecodable("not a control message: slots or partitions are out of range")
    elif isinstance(control, Acknowledgement):
        _check_ids(
            "alarms", [id_ for alarm in control.alarms for id_ in (alarm.subject, alarm.detail_digest)]
        )


def _check_text(name: str, said: str) -> None:
    if "\0" in said:
        raise Undecodable(f"not a control message: {name} has a NUL")
    if name not in _PROSE and len(said) > _NAME_MAX:
        raise Undecodable(f"not a control message: {name} of {len(said)} characters")


def _check_ids(name: str, ids: Iterable[bytes]) -> None:
    if any(len(id_) > _NAME_MAX for id_ in ids):
        raise Undecodable(f"not a control message: {name} of more than {_NAME_MAX} bytes")


def _decode(decoder: msgspec.json.Decoder[T], value: bytes, what: str) -> T:
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not {what}: {error}") from error
