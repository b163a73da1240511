"""Facts: what enters through `events.v1`, keyed by tenant, immutable, applied in log order.

A tenant owns order, keys, credits and isolation. Bytes are raw (hashes and addresses are not text);
the JSON form writes them in base64.
"""

import hashlib
from typing import Final

import msgspec

from streams.domain.errors import Undecodable

FACT_BYTES_MAX: Final = 256 * 1024  # of one record; a larger encoding is cut into parts
FACT_WHOLE_BYTES_MAX: Final = 32 * 1024 * 1024  # above it the tenant is halted
LOG_DATA_BYTES_MAX: Final = 16 * 1024 * 1024  # above it a log is replaced by its digest and size
GATEWAY_TENANT: Final = "gateway"


def host_tenant(chain_id: int, acl_address: bytes) -> str:
    """Tenant of a host chain and its ACL contract."""
    # Both: one chain may have two deployments of the protocol, which share nothing.
    return f"{chain_id}.{acl_address.hex()}"


def chain_of(tenant: str) -> str:
    """Id of the host chain in the name of its tenant."""
    return tenant.partition(".")[0]


def host_event_id(chain_id: int, block_hash: bytes) -> str:
    """Identity of a host block's fact, from which its trace follows."""
    return f"host/{chain_id}/{block_hash.hex()}"


def gateway_event_id(chain_id: int, tenant: str, from_block: int, to_hash: bytes) -> str:
    """Identity of a gateway range's fact."""
    return f"gateway/{chain_id}/{tenant}/{from_block}/{to_hash.hex()}"


class OmittedData(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for the data of a log that is too large for a fact."""

    sha256: bytes
    size_bytes: int


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a contract, as the node returned it."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    transaction_hash: bytes
    log_index: int
    omitted: OmittedData | None = None


class HostBlock(msgspec.Struct, frozen=True, kw_only=True, tag="host_block"):
    """A block of a host chain, empty ones too."""

    chain_id: int
    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    logs: tuple[Log, ...] = ()
    anchor: bool = False  # the chain begins with it: nothing that is told comes before
    version: int = 1


class GatewayLog(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a gateway contract with its place in the chain."""

    block_number: int
    block_hash: bytes
    log: Log


class GatewayRange(msgspec.Struct, frozen=True, kw_only=True, tag="gateway_range"):
    """What happened on the gateway for one tenant in the blocks (from_block, to_block]."""

    chain_id: int
    from_block: int
    from_hash: bytes
    to_block: int
    to_hash: bytes
    logs: tuple[GatewayLog, ...] = ()
    to_timestamp: int = 0  # of the last block; 0 where the listener did not read it
    anchor: bool | None = None  # nothing that is told comes before; None where the listener did not say
    version: int = 1


class KeyActivated(msgspec.Struct, frozen=True, kw_only=True, tag="key_activated"):
    """A key set is final, downloaded and checked; operations after this fact use it."""

    key_id: bytes  # 32, big-endian uint256 of ActivateKey
    digest: bytes  # SHAKE256 of the activated set
    engine: str
    release: str
    version: int = 1


class CrsActivated(msgspec.Struct, frozen=True, kw_only=True, tag="crs_activated"):
    """A common reference string for input proofs is final, downloaded and checked."""

    crs_id: bytes  # 32
    digest: bytes
    version: int = 1


class FactPart(msgspec.Struct, frozen=True, kw_only=True, tag="part"):
    """Part `index` of `count` of a fact whose encoding is too large for one record."""

    sha256: bytes  # of the whole encoding
    index: int
    count: int
    body: bytes
    version: int = 1


Fact = HostBlock | GatewayRange | KeyActivated | CrsActivated | FactPart

_BODY_BYTES: Final = 180 * 1024  # base64 and the frame bring it to less than FACT_BYTES_MAX
FACT_PARTS_MAX: Final = -(-FACT_WHOLE_BYTES_MAX // _BODY_BYTES)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Fact)


def encode_fact(fact: Fact) -> list[bytes]:
    """Records of a fact in order: one, or its parts when it is larger than FACT_BYTES_MAX.

    A fact above FACT_WHOLE_BYTES_MAX is cut like any other: it must reach the log, where it halts its tenant.
    """
    whole = _encoder.encode(fact)
    if len(whole) <= FACT_BYTES_MAX:
        return [whole]
    # Cut at any byte: parts are put together before anything is decoded.
    bodies = [whole[at : at + _BODY_BYTES] for at in range(0, len(whole), _BODY_BYTES)]
    # names the fact that a part belongs to, and is held against the whole once it is there
    sha256 = hashlib.sha256(whole).digest()
    parts = (
        FactPart(sha256=sha256, index=index, count=len(bodies), body=body)
        for index, body in enumerate(bodies)
    )
    return [_encoder.encode(part) for part in parts]


def decode_fact(value: bytes) -> Fact:
    """The fact in a record's value; raises Undecodable."""
    try:
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Undecodable(f"not a fact: {error}") from error
