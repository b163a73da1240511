"""The one hash function of the chain's side of the protocol."""

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum computes it (the padding before SHA-3's)."""
    return keccak.new(digest_bits=256, data=data).digest()


def event_topic(signature: str) -> bytes:
    """First topic of an event, from its signature without names: `Transfer(address,address,uint256)`."""
    return keccak256(signature.encode())
