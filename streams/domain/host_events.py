"""Events of the host chain's contracts: executor, access list, key and CRS activation, bridge.

Event signatures of the executor come from the table of operations; the others stand beside their decoders.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from streams.domain import words
from streams.domain.digest import event_topic
from streams.domain.errors import UndecodableLog
from streams.domain.operations import OPERATIONS, Kind, Operation

Topics = tuple[bytes, ...]

# Scalar byte of a fused multiplication and division: its divisor is always plaintext, so bit 0 is always set.
_MUL_DIV_ENCRYPTED: Final = 0x01
_MUL_DIV_SCALAR: Final = 0x03
_WORDS: Final = {words.WORD}


class OperationEvent(msgspec.Struct, frozen=True):
    """One operation of the executor; operands as raw words, seeds and types by their own length."""

    code: int
    caller: bytes
    operands: tuple[bytes, ...]
    is_scalar: bool
    result: bytes


class InputVerified(msgspec.Struct, frozen=True):
    """An encrypted input passed the host's check and may be used by `caller`."""

    caller: bytes
    input_handle: bytes
    user: bytes
    input_proof: bytes
    fhe_type: int
    result: bytes


class Allowed(msgspec.Struct, frozen=True):
    """An account may use and decrypt a handle from now on."""

    caller: bytes
    account: bytes
    handle: bytes


class AllowedForDecryption(msgspec.Struct, frozen=True):
    """Anybody may have these handles decrypted."""

    caller: bytes
    handles: tuple[bytes, ...]


class DelegatedForUserDecryption(msgspec.Struct, frozen=True):
    """A delegate may decrypt in the delegator's name until the new date."""

    delegator: bytes
    delegate: bytes
    contract: bytes
    counter: int
    old_expiration: int
    new_expiration: int


class RevokedDelegationForUserDecryption(msgspec.Struct, frozen=True):
    """A delegation ended before its date."""

    delegator: bytes
    delegate: bytes
    contract: bytes
    counter: int
    old_expiration: int


class DecryptionSignaturesInvalidated(msgspec.Struct, frozen=True):
    """Signatures of an account made before that time count no more."""

    account: bytes
    before_timestamp: int


class AccountBlocked(msgspec.Struct, frozen=True):
    """The access list refuses this account."""

    account: bytes


class AccountUnblocked(msgspec.Struct, frozen=True):
    """The access list takes this account again."""

    account: bytes


class KeyDigest(msgspec.Struct, frozen=True):
    """Digest of one object of a key: its server key (type 0), its public key (1), or a set of both (3)."""

    key_type: int
    digest: bytes


class ActivateKey(msgspec.Struct, frozen=True):
    """A key set is to be used; `key_id` is the 32-byte number of the event."""

    key_id: bytes
    urls: tuple[str, ...]
    digests: tuple[KeyDigest, ...]


class ActivateCrs(msgspec.Struct, frozen=True):
    """A common reference string is to be used for input proofs."""

    crs_id: bytes
    urls: tuple[str, ...]
    digest: bytes


class BridgeHandle(msgspec.Struct, frozen=True):
    """A handle of this chain is to exist on another chain too."""

    sender_dapp: bytes
    src_handle: bytes
    dst_chain_id: int
    guid: bytes


class HandleBridged(msgspec.Struct, frozen=True):
    """A handle of another chain arrived here, under a name of its own."""

    receiver_dapp: bytes
    src_handle: bytes
    dst_handle: bytes
    guid: bytes


class FallbackGranted(msgspec.Struct, frozen=True):
    """Governance gave the plaintext of a handle that did not arrive."""

    dst_handle: bytes
    plaintext: bytes  # 32, big-endian


AclEvent = (
    Allowed
    | AllowedForDecryption
    | DelegatedForUserDecryption
    | RevokedDelegationForUserDecryption
    | DecryptionSignaturesInvalidated
    | AccountBlocked
    | AccountUnblocked
)
BridgeEvent = BridgeHandle | HandleBridged | FallbackGranted
HostEvent = OperationEvent | InputVerified | AclEvent | ActivateKey | ActivateCrs | BridgeEvent
HostDecoder = Callable[[Topics, bytes], HostEvent]

# A shape takes the data to operands, whether the last of them is a plaintext, and the result.
_Shape = Callable[[bytes], tuple[tuple[bytes, ...], bool, bytes]]


def indexed(topics: Topics, count: int) -> Topics:
    """The indexed arguments, of which the event has that many."""
    # Strict on both sides: an event with an argument more or less is another release's, and reading it as
    # ours would give other operands than other operators have.
    if len(topics) != count + 1 or set(map(len, topics)) != _WORDS:
        raise UndecodableLog(f"{len(topics)} topics, {count + 1} of {words.WORD} bytes are due")
    return topics[1:]


def _binary(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    # bytes1 is left-aligned in its word, unlike a number
    lhs, rhs, scalar, result = words.words(data, 4)
    return (lhs, rhs), words.left_bytes(scalar, 1) != b"\0", result


def _unary(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    ct, result = words.words(data, 2)
    return (ct,), False, result


def _value_and_type(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    value, to_type, result = words.words(data, 3)
    return (value, words.type_byte(to_type)), True, result


def _select(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    control, if_true, if_false, result = words.words(data, 4)
    return (control, if_true, if_false), False, result


def _rand(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    rand_type, seed, result = words.words(data, 3)
    # the operand order of computations is seed, (bound), type: not that of the event
    return (words.left_bytes(seed, 16), words.type_byte(rand_type)), True, result


def _rand_bounded(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    bound, rand_type, seed, result = words.words(data, 4)
    return (words.left_bytes(seed, 16), bound, words.type_byte(rand_type)), True, result


def _sum(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    return words.word_array(data, words.offset(data, 0)), False, words.word(data, 32)


def _is_in(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    values = words.word_array(data, words.offset(data, 32))
    return (words.word(data, 0), *values), False, words.word(data, 64)


def _mul_div(data: bytes) -> tuple[tuple[bytes, ...], bool, bytes]:
    factor1, factor2, divisor, scalar, result = words.words(data, 5)
    scalar_byte = words.left_bytes(scalar, 1)[0]
    if scalar_byte not in (_MUL_DIV_ENCRYPTED, _MUL_DIV_SCALAR):
        raise UndecodableLog(f"scalar byte {scalar_byte} of a fused multiplication and division")
    return (factor1, factor2, divisor), scalar_byte == _MUL_DIV_SCALAR, result


_SHAPES: Final[dict[Kind, _Shape]] = {
    Kind.BINARY: _binary,
    Kind.UNARY: _unary,
    Kind.CAST: _value_and_type,
    Kind.TRIVIAL: _value_and_type,
    Kind.SELECT: _select,
    Kind.RAND: _rand,
    Kind.RAND_BOUNDED: _rand_bounded,
    Kind.SUM: _sum,
    Kind.IS_IN: _is_in,
    Kind.MUL_DIV: _mul_div,
}


def _executor_decoder(operation: Operation) -> HostDecoder:
    if operation.kind is Kind.INPUT:
        return _input_verified
    # bound once for each event of the table, not looked up for each log
    code, shape = operation.code, _SHAPES[operation.kind]

    def decode(topics: Topics, data: bytes) -> OperationEvent:
        (caller,) = indexed(topics, 1)
        operands, is_scalar, result = shape(data)
        return OperationEvent(code, words.address(caller), operands, is_scalar, result)

    return decode


def _input_verified(topics: Topics, data: bytes) -> InputVerified:
    (caller,) = indexed(topics, 1)
    return InputVerified(
        caller=words.address(caller),
        input_handle=words.word(data, 0),
        user=words.address(words.word(data, 32)),
        input_proof=words.tail_bytes(data, words.offset(data, 64)),
        fhe_type=words.unsigned(words.word(data, 96), 1),
        result=words.word(data, 128),
    )


def _allowed(topics: Topics, data: bytes) -> Allowed:
    caller, account = indexed(topics, 2)
    (handle,) = words.words(data, 1)
    return Allowed(words.address(caller), words.address(account), handle)


def _allowed_for_decryption(topics: Topics, data: bytes) -> AllowedForDecryption:
    (caller,) = indexed(topics, 1)
    return AllowedForDecryption(words.address(caller), words.word_array(data, words.offset(data, 0)))


def _delegated(topics: Topics, data: bytes) -> DelegatedForUserDecryption:
    delegator, delegate = indexed(topics, 2)
    contract, counter, old, new = words.words(data, 4)
    return DelegatedForUserDecryption(
        words.address(delegator),
        words.address(delegate),
        words.address(contract),
        words.unsigned(counter, 8),
        words.unsigned(old, 8),
        words.unsigned(new, 8),
    )


def _revoked(topics: Topics, data: bytes) -> RevokedDelegationForUserDecryption:
    delegator, delegate = indexed(topics, 2)
    contract, counter, old = words.words(data, 3)
    return RevokedDelegationForUserDecryption(
        words.address(delegator),
        words.address(delegate),
        words.address(contract),
        words.unsigned(counter, 8),
        words.unsigned(old, 8),
    )


def _signatures_invalidated(topics: Topics, data: bytes) -> DecryptionSignaturesInvalidated:
    (account,) = indexed(topics, 1)
    (before,) = words.words(data, 1)
    return DecryptionSignaturesInvalidated(words.address(account), words.unsigned(before))


def _blocked(topics: Topics, data: bytes) -> AccountBlocked:
    (account,) = indexed(topics, 1)
    words.words(data, 0)
    return AccountBlocked(words.address(account))


def _unblocked(topics: Topics, data: bytes) -> AccountUnblocked:
    (account,) = indexed(topics, 1)
    words.words(data, 0)
    return AccountUnblocked(words.address(account))


def _key_digest(data: bytes, at: int) -> KeyDigest:
    key_type = words.unsigned(words.word(data, at), 1)
    return KeyDigest(key_type, words.tail_bytes(data, words.offset(data, at + 32, at)))


def _activate_key(topics: Topics, data: bytes) -> ActivateKey:
    indexed(topics, 0)
    urls = words.tail_array(data, words.offset(data, 32), words.tail_text)
    digests = words.tail_array(data, words.offset(data, 64), _key_digest)
    return ActivateKey(words.word(data, 0), urls, digests)


def _activate_crs(topics: Topics, data: bytes) -> ActivateCrs:
    indexed(topics, 0)
    urls = words.tail_array(data, words.offset(data, 32), words.tail_text)
    return ActivateCrs(words.word(data, 0), urls, words.tail_bytes(data, words.offset(data, 64)))


def _bridge_handle(topics: Topics, data: bytes) -> BridgeHandle:
    (dapp,) = indexed(topics, 1)
    src_handle, dst_chain_id, guid = words.words(data, 3)
    return BridgeHandle(words.address(dapp), src_handle, words.unsigned(dst_chain_id, 8), guid)


def _handle_bridged(topics: Topics, data: bytes) -> HandleBridged:
    (dapp,) = indexed(topics, 1)
    src_handle, dst_handle, guid = words.words(data, 3)
    return HandleBridged(words.address(dapp), src_handle, dst_handle, guid)


def _fallback_granted(topics: Topics, data: bytes) -> FallbackGranted:
    (dst_handle,) = indexed(topics, 1)
    (plaintext,) = words.words(data, 1)
    return FallbackGranted(dst_handle, plaintext)


EXECUTOR_DECODERS: Final[dict[bytes, HostDecoder]] = {
    event_topic(operation.event): _executor_decoder(operation) for operation in OPERATIONS
}
ACL_DECODERS: Final[dict[bytes, HostDecoder]] = {
    event_topic("Allowed(address,address,bytes32)"): _allowed,
    event_topic("AllowedForDecryption(address,bytes32[])"): _allowed_for_decryption,
    event_topic("DelegatedForUserDecryption(address,address,address,uint64,uint64,uint64)"): _delegated,
    event_topic("RevokedDelegationForUserDecryption(address,address,address,uint64,uint64)"): _revoked,
    event_topic("DecryptionSignaturesInvalidated(address,uint256)"): _signatures_invalidated,
    event_topic("BlockedAccount(address)"): _blocked,
    event_topic("UnblockedAccount(address)"): _unblocked,
}
KMS_DECODERS: Final[dict[bytes, HostDecoder]] = {
    event_topic("ActivateKey(uint256,string[],(uint8,bytes)[])"): _activate_key,
    event_topic("ActivateCrs(uint256,string[],bytes)"): _activate_crs,
}
BRIDGE_DECODERS: Final[dict[bytes, HostDecoder]] = {
    event_topic("BridgeHandle(address,bytes32,uint64,bytes32)"): _bridge_handle,
    event_topic("HandleBridged(address,bytes32,bytes32,bytes32)"): _handle_bridged,
    event_topic("FallbackGrantedPlaintext(bytes32,uint256)"): _fallback_granted,
}
