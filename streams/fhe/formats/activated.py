"""The keys of an activated set that computing takes, from whichever object was activated."""

from dataclasses import dataclass
from pathlib import Path

from streams.domain.errors import KeyMaterialError, KeyPartMissing
from streams.domain.work import WorkClass
from streams.fhe import key_parts
from streams.fhe.devices.words import Words
from streams.fhe.formats import public_key, server_key, xof_key_set
from streams.fhe.formats.seeded import SeededRows, WideRows
from streams.fhe.formats.server_key import ServerKey
from streams.fhe.key_objects import KeyObject, recognised
from streams.fhe.key_parts import Part


@dataclass(frozen=True)
class ActivatedKeys:
    """What an engine of ours computes with; see `ServerKey`."""

    public: Words  # mask and body of the compact public key
    switch: SeededRows
    rotate: SeededRows
    pack: SeededRows
    unpack: SeededRows
    re_randomise: SeededRows
    random: SeededRows


@dataclass(frozen=True)
class SquashingKeys:
    """What squashes noise; only sns-worker opens them."""

    squash: WideRows
    pack: WideRows


def read(keyset: Path, public: Path) -> ActivatedKeys:
    """The keys of an activated object.

    Args:
        public: the public key that goes with a `CompressedServerKey`; not read for a `CompressedXofKeySet`.

    Raises:
        KeyMissing: there is no such file.
        KeyPartMissing: the public key is not there, or the server key lacks what computing takes.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    found = recognised(keyset)
    if found is KeyObject.XOF_KEY_SET:
        rows, server = xof_key_set.read(keyset)
        return _together(rows.expanded().reshape(-1), server)
    server = _server_key(keyset, found)
    key_parts.check((*server.lacks, *(() if public.exists() else (Part.PUBLIC,))), WorkClass.TFHE)
    return _together(public_key.read(public), server)


def read_squashing(keyset: Path) -> SquashingKeys:
    """The keys of an activated object that squash noise.

    Raises:
        KeyMissing: there is no such file.
        KeyPartMissing: the server key has none.
        KeyMaterialError: it is not of the release and the parameters that can be read.
    """
    found = recognised(keyset)
    server = xof_key_set.read(keyset)[1] if found is KeyObject.XOF_KEY_SET else _server_key(keyset, found)
    if server.squash is None or server.pack_squashed is None:
        raise KeyPartMissing(f"the key set has no {Part.SQUASHING.label}")
    return SquashingKeys(server.squash, server.pack_squashed)


def _server_key(keyset: Path, found: KeyObject) -> ServerKey:
    if found is not KeyObject.SERVER_KEY:
        raise KeyMaterialError(f"{keyset} is of the engine {found}")
    return server_key.read(keyset)


def _together(public: Words, server: ServerKey) -> ActivatedKeys:
    pack, unpack, re_randomise, random = server.pack, server.unpack, server.re_randomise, server.random
    if pack is None or unpack is None or re_randomise is None or random is None:
        raise KeyPartMissing
    return ActivatedKeys(public, server.switch, server.rotate, pack, unpack, re_randomise, random)
