"""What parent and child of a worker say to each other: length-prefixed MessagePack over a socket pair."""

import asyncio
import socket
from pathlib import Path
from typing import Final

import msgspec

from streams.domain.errors import Undecodable
from streams.domain.results import Ciphertext
from streams.domain.work import ComputeWork, ProofWork, SquashWork
from streams.fhe.suite import Tally

FRAME_BYTES_MAX: Final = 160 * 1024 * 1024  # a squashed object (66 MiB) beside its ct64, with room
_LENGTH_BYTES: Final = 4

ChildWork = ComputeWork | ProofWork | SquashWork


class OpenKeys(msgspec.Struct, frozen=True, tag="open_keys"):
    """Know the key set whose files by purpose are in that directory, load it if so told, and answer."""

    number: int
    key_id: bytes
    directory: Path
    at_once: bool


class OpenCrs(msgspec.Struct, frozen=True, tag="open_crs"):
    """Know the common reference string in that file, load it if so told, and answer."""

    number: int
    crs_id: bytes
    file: Path
    at_once: bool


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Have open what an item needs and answer under this number."""

    number: int
    key_id: bytes
    crs_id: bytes = b""


class Run(msgspec.Struct, frozen=True):
    """Compute an item and answer under this number."""

    number: int
    work: ChildWork


class Batch(msgspec.Struct, frozen=True, tag="batch"):
    """Items that came together; each begins, answers and fails by itself."""

    runs: tuple[Run, ...]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The child is up."""


class Counts(msgspec.Struct, frozen=True, tag="counts"):
    """What a child has counted since it began."""

    key_hits: int = 0  # a key set was open when it was asked for
    key_misses: int = 0
    suites: Tally = Tally()

    def since(self, before: "Counts") -> "Counts":
        """What came to these counts."""
        return Counts(
            self.key_hits - before.key_hits,
            self.key_misses - before.key_misses,
            self.suites - before.suites,
        )


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The turn of these items has come; their time runs from here."""

    numbers: tuple[int, ...]


class Output(msgspec.Struct, frozen=True, tag="output"):
    """One finished output of a component; more may follow."""

    number: int
    ciphertext: Ciphertext


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """Key set or reference string is known, and loaded if that was asked for.

    `lookup_s` is the time of one table look-up on this machine, 0 while nothing was measured.
    """

    number: int
    lookup_s: float = 0.0


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """A component is done; its outputs went before."""

    number: int


class Verdict(msgspec.Struct, frozen=True, tag="verdict"):
    """An encrypted input was judged."""

    number: int
    verified: bool
    ciphertexts: tuple[Ciphertext, ...] = ()
    reason: str = ""


class Squashing(msgspec.Struct, frozen=True, tag="squashing"):
    """A ciphertext is squashed."""

    number: int
    ct128: bytes
    format: int


class Broken(msgspec.Struct, frozen=True, tag="broken"):
    """An error of our tree, by category and class."""

    number: int
    category: str
    error: str
    message: str


Request = OpenKeys | OpenCrs | Prepare | Batch
Answer = Output | Opened | Finished | Verdict | Squashing | Broken
Reply = Ready | Counts | Begun | Answer
Final_ = Opened | Finished | Verdict | Squashing | Broken  # what ends a request

_request_decoder = msgspec.msgpack.Decoder(Request, dec_hook=lambda kind, value: kind(value))
_reply_decoder = msgspec.msgpack.Decoder(Reply)
_encoder = msgspec.msgpack.Encoder(enc_hook=str)  # the only foreign type is Path


def frame(message: Request | Reply) -> bytes:
    """A message with its length before it."""
    body = _encoder.encode(message)
    # refused by the sender already: the other side would have to close the pair
    if len(body) > FRAME_BYTES_MAX:
        raise Undecodable(f"a frame of {len(body)} bytes, {FRAME_BYTES_MAX} are allowed")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def receive_request(sock: socket.socket) -> Request | None:
    """The next request, or None when the parent is gone. Blocks; for the child."""
    head = _receive(sock, _LENGTH_BYTES)
    body = _receive(sock, _checked_length(head)) if head else None
    return _request_decoder.decode(body) if body is not None else None


async def read_reply(reader: asyncio.StreamReader) -> Reply | None:
    """The next reply, or None when the child is gone; for the parent."""
    try:
        head = await reader.readexactly(_LENGTH_BYTES)
        return _reply_decoder.decode(await reader.readexactly(_checked_length(head)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _checked_length(head: bytes) -> int:
    size_bytes = int.from_bytes(head, "big")
    if size_bytes > FRAME_BYTES_MAX:
        raise Undecodable(f"a frame of {size_bytes} bytes is announced, {FRAME_BYTES_MAX} are allowed")
    return size_bytes


def _receive(sock: socket.socket, size_bytes: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size_bytes:
        try:
            # in pieces: one large receive would allocate all of it before the first byte is there
            part = sock.recv(min(size_bytes - len(parts), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
