"""Values of `keysets.v1`, `ciphertexts.v1` and `control.v1`; the keys that compaction keeps them under."""

from typing import TypeVar

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


def encode(message: Announcement | Control | CiphertextAnnouncement) -> bytes:
    """Value of the record that carries this message."""
    return _encoder.encode(message)


def decode_announcement(value: bytes) -> Announcement:
    """The announcement in a record of `keysets.v1`; raises Undecodable."""
    return _decode(_announcements, value, "an announcement")


def decode_control(value: bytes) -> Control:
    """The message in a record of `control.v1`; raises Undecodable."""
    return _decode(_controls, value, "a control message")


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


def _decode(decoder: msgspec.json.Decoder[T], value: bytes, what: str) -> T:
    try:
        return decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not {what}: {error}") from error
