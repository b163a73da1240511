"""Keys that sign: digests of votes and attestations, and transactions. A key never shows itself."""

from typing import NoReturn

import msgspec
from coincurve import PrivateKey, PublicKey

from streams.adapters.ethereum import rlp
from streams.adapters.telemetry import logs
from streams.domain.digest import keccak256
from streams.domain.errors import ConfigurationError
from streams.settings import KeyFileSettings, read_private_key

SECRET_BYTES = 32
_V_BASE = 27  # Ethereum's recovery byte is 27 or 28
_TYPE_2 = b"\x02"  # EIP-1559


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A type 2 transaction before its signature."""

    chain_id: int
    nonce: int
    gas: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    to: bytes | None  # None creates a contract
    data: bytes
    value: int = 0


class SignedTransaction(msgspec.Struct, frozen=True):
    """What is broadcast, and the hash that it is found under."""

    raw: bytes
    hash: bytes


class Signer:
    """One private key. Its text, its log line and its pickle never hold the key."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        # The length here: the library fills up a shorter key. No cause below: it might quote the key.
        if len(secret) != SECRET_BYTES:
            raise ConfigurationError(f"a private key has {SECRET_BYTES} bytes, not {len(secret)}")
        try:
            self._key = PrivateKey(secret)
        except ValueError:
            raise ConfigurationError("a private key is a number from 1 to below the curve's order") from None
        self.address = _address(self._key.public_key)

    def __repr__(self) -> str:
        return f"Signer(0x{self.address.hex()})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer does not leave its process")

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes r, s, v over a 32-byte digest as it is."""
        signature = self._key.sign_recoverable(digest, hasher=None)  # pyright: ignore[reportUnknownMemberType]
        return signature[:64] + bytes((signature[64] + _V_BASE,))

    def sign_transaction(self, transaction: Transaction) -> SignedTransaction:
        """The transaction ready to be broadcast."""
        # the order of EIP-1559; the last one is the access list, which is empty
        fields: list[rlp.Item] = [
            transaction.chain_id,
            transaction.nonce,
            transaction.max_priority_fee_per_gas,
            transaction.max_fee_per_gas,
            transaction.gas,
            transaction.to or b"",
            transaction.value,
            transaction.data,
            [],
        ]
        signature = self.sign_digest(keccak256(_TYPE_2 + rlp.encode(fields)))
        parity = signature[64] - _V_BASE
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        raw = _TYPE_2 + rlp.encode([*fields, parity, r, s])
        return SignedTransaction(raw, keccak256(raw))


def load_signer(settings: KeyFileSettings, variable: str) -> Signer:
    """The key of a section or of its variable, hidden from the logs.

    Raises:
        ConfigurationError: it is missing or something else than 64 hex digits (never quoted).
    """
    text = read_private_key(settings, variable).get_secret_value()
    # Before it is decoded, so that no error on the way can log it.
    logs.hide(text)
    try:
        secret = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:  # without the cause, which might quote the key
        secret = b""
    if len(secret) != SECRET_BYTES:  # here, since only here the variable is known
        raise ConfigurationError(f"{variable}: a private key is 64 hexadecimal digits")
    return Signer(secret)


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """Address whose key made this signature over the digest, or None where it is no signature."""
    if len(signature) != 65 or signature[64] - _V_BASE not in (0, 1):
        return None
    recoverable = signature[:64] + bytes((signature[64] - _V_BASE,))
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception:  # coincurve raises bare Exception for points off the curve
        return None
    return _address(key)


def _address(key: PublicKey) -> bytes:
    # without the byte 4 that marks an uncompressed point: an address is made from the two coordinates
    return keccak256(key.format(compressed=False)[1:])[-20:]
