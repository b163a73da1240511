"""Calls, results and custom errors of contracts, derived from their signature strings."""

from collections.abc import Iterable
from typing import Final, cast

import msgspec
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError

from streams.adapters.ethereum.errors import ContractReverted
from streams.domain.digest import keccak256
from streams.domain.errors import Undecodable

SELECTOR_BYTES: Final = 4
# Of the codec: besides its own error, for text that is none and for offsets beyond any memory.
_UNDECODABLE: Final = (DecodingError, UnicodeDecodeError, OverflowError)


class Function(msgspec.Struct, frozen=True):
    """A function of a contract: how to call it and to read what it returns."""

    signature: str
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class ErrorShape(msgspec.Struct, frozen=True):
    """A custom error of a contract."""

    name: str
    selector: bytes
    inputs: tuple[str, ...]


def split_types(listing: str) -> tuple[str, ...]:
    """Types of `(a,b,(c,d)[])`, tuples kept whole."""
    found: list[str] = []
    depth, start = 0, 1
    for at, char in enumerate(listing):
        depth += (char == "(") - (char == ")")
        if (char == "," and depth == 1) or (char == ")" and depth == 0):
            found.append(listing[start:at])
            start = at + 1
    return tuple(part for part in found if part)


def selector(signature: str) -> bytes:
    """First four bytes of a call or a custom error."""
    return keccak256(signature.encode())[:SELECTOR_BYTES]


def function(signature: str, returns: str = "()") -> Function:
    """From `name(types)` and `(types)`, both without names and spaces."""
    inputs = split_types(signature[signature.index("(") :])
    return Function(signature, selector(signature), inputs, split_types(returns))


def error(signature: str) -> ErrorShape:
    """From `Name(types)`."""
    at = signature.index("(")
    return ErrorShape(signature[:at], selector(signature), split_types(signature[at:]))


def encode_arguments(types: Iterable[str], arguments: Iterable[object]) -> bytes:
    """Arguments of a call or a constructor.

    Raises:
        Undecodable: a value does not fit its type.
    """
    try:
        return encode(list(types), list(arguments))
    except EncodingError as cause:
        raise Undecodable("an argument does not fit its type") from cause


def encode_call(called: Function, *arguments: object) -> bytes:
    """Call data: selector and arguments; addresses as 20 bytes."""
    return called.selector + encode_arguments(called.inputs, arguments)


def decode_result(called: Function, data: bytes) -> tuple[object, ...]:
    """What a call returned; addresses as 20 bytes.

    Raises:
        Undecodable: it is not what the function returns (no contract there, for instance).
    """
    try:
        values = decode(list(called.outputs), data)
    except _UNDECODABLE as cause:
        raise Undecodable(f"{called.signature} returned {len(data)} bytes that do not decode") from cause
    return tuple(_raw_addresses(kind, value) for kind, value in zip(called.outputs, values, strict=True))


def decode_error(data: bytes, words: str = "") -> ContractReverted:
    """The contract's reason; `Unknown` where no table has its selector, with the node's words without one."""
    shape = ERRORS.get(data[:SELECTOR_BYTES])
    if shape is None:
        said = (words,) if words else ()
        return ContractReverted("Unknown", (data,) if data else said, data)
    try:
        values = decode(list(shape.inputs), data[SELECTOR_BYTES:])
    except _UNDECODABLE:
        return ContractReverted(shape.name, (), data)
    arguments = tuple(_raw_addresses(kind, value) for kind, value in zip(shape.inputs, values, strict=True))
    return ContractReverted(shape.name, arguments, data)


def _raw_addresses(kind: str, value: object) -> object:
    # eth_abi gives addresses as text; everywhere else in this code they are bytes.
    if kind == "address":
        return bytes.fromhex(str(value).removeprefix("0x"))
    if kind.endswith("[]"):
        return tuple(_raw_addresses(kind[:-2], item) for item in cast(tuple[object, ...], value))
    if kind.startswith("("):
        pairs = zip(split_types(kind), cast(tuple[object, ...], value), strict=True)
        return tuple(_raw_addresses(part, item) for part, item in pairs)
    return value


_SIGNATURES: Final = (
    "Error(string)",
    "Panic(uint256)",
    # gateway
    "CiphertextMaterialNotFound(bytes32)",
    "CoprocessorAlreadyAdded(bytes32,address)",
    "CoprocessorAlreadyAllowedAccount(bytes32,address,address)",
    "CoprocessorAlreadyAllowedPublicDecrypt(bytes32,address)",
    "CoprocessorAlreadyRejected(uint256,address,address)",
    "CoprocessorAlreadyVerified(uint256,address,address)",
    "CoprocessorSignerDoesNotMatchTxSender(address,address)",
    "ECDSAInvalidSignature()",
    "ECDSAInvalidSignatureLength(uint256)",
    "ECDSAInvalidSignatureS(bytes32)",
    "EmptyCoprocessors()",
    "EnforcedPause()",
    "HostChainAlreadyRegistered(uint256)",
    "HostChainDisabled(uint256)",
    "HostChainNotRegistered(uint256)",
    "InvalidHighCoprocessorThreshold(uint256,uint256)",
    "InvalidNullCoprocessorThreshold()",
    "NotCoprocessorSigner(address)",
    "NotCoprocessorTxSender(address)",
    "OwnableUnauthorizedAccount(address)",
    "VerifyProofNotRequested(uint256)",
    # host
    "ACLNotAllowed(bytes32,address)",
    "DeserializingInputProofFail()",
    "EmptyInputProof()",
    "EmptyKeyDigests(uint256)",
    "HCUTransactionDepthLimitExceeded()",
    "HCUTransactionLimitExceeded()",
    "InvalidChainId()",
    "InvalidHandleVersion()",
    "InvalidIndex()",
    "InvalidInputHandle()",
    "InvalidSigner(address)",
    "InvalidType()",
    "SenderNotAllowedToUseHandle(bytes32,address)",
    "SignatureThresholdNotReached(uint256)",
    "SignaturesVerificationFailed()",
    "ZeroSignature()",
    # token
    "ERC7984InvalidReceiver(address)",
    "ERC7984InvalidSender(address)",
    "ERC7984UnauthorizedSpender(address,address)",
    "ERC7984UnauthorizedUseOfEncryptedAmount(bytes32,address)",
    "ERC7984ZeroBalance(address)",
)
ERRORS: Final[dict[bytes, ErrorShape]] = {
    shape.selector: shape for shape in (error(signature) for signature in _SIGNATURES)
}
