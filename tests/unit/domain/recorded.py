"""The recorded transactions, and the events that they must decode to: built from recorded arguments alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.domain import events
from streams.domain.events import Event
from streams.domain.operations import BY_NAME

FOLDER = Path(__file__).parents[2] / "fixtures" / "evm"
FILES = sorted(path.name for path in FOLDER.glob("*.json") if path.name != "events.json")
SHORTENED = "…"  # marks the one recording whose data was cut to keep the file small

# Where upstream's rows of computations take their operands from, in their order.
_OPERANDS: dict[str, tuple[str, ...]] = {
    "Cast": ("ct", "toType"),
    "TrivialEncrypt": ("pt", "toType"),
    "FheNeg": ("ct",),
    "FheNot": ("ct",),
    "FheIfThenElse": ("control", "ifTrue", "ifFalse"),
    "FheRand": ("seed", "randType"),
    "FheRandBounded": ("seed", "upperBound", "randType"),
    "FheSum": ("values",),
    "FheIsIn": ("value", "values"),
    "FheMulDiv": ("factor1", "factor2", "divisor"),
}
_STATED = ("Cast", "TrivialEncrypt", "FheRand", "FheRandBounded")  # their type operand counts as a scalar

Arguments = dict[str, Any]


def tables() -> list[dict[str, Any]]:
    """All event signatures with their topics."""
    return json.loads((FOLDER / "events.json").read_text())


def records(name: str) -> list[dict[str, Any]]:
    """Transactions of one file; the last may hold views only."""
    return json.loads((FOLDER / name).read_text())


def typed(kind: str, value: Any) -> Any:
    """A recorded argument as bytes, a number or a tuple."""
    if kind.endswith("[]"):
        return tuple(typed(kind[:-2], item) for item in value)
    if kind.startswith("("):
        return tuple(typed(part, item) for part, item in zip(kind[1:-1].split(","), value, strict=True))
    if kind.startswith("bytes") or kind == "address":
        return bytes.fromhex(value.removeprefix("0x"))
    return int(value) if kind.startswith("uint") else value


def arguments(table: dict[str, Any], recorded: Arguments) -> Arguments:
    """All arguments of a log, typed by the table of signatures."""
    return {item["name"]: typed(item["type"], recorded[item["name"]]) for item in table["inputs"]}


def expected(name: str, args: Arguments) -> Event:
    """The event of that name and these arguments."""
    if name in _BUILDERS:
        return _BUILDERS[name](args)
    return _operation(name, args)


def _operation(name: str, args: Arguments) -> events.OperationEvent:
    operands: list[bytes] = []
    for part in _OPERANDS.get(name, ("lhs", "rhs")):
        operands += _operand(part, args[part])
    scalar = args.get("scalarByte", b"\0")
    is_scalar = name in _STATED or scalar == b"\3" or (name != "FheMulDiv" and scalar == b"\1")
    code = BY_NAME[name.removeprefix("Fhe")].code
    return events.OperationEvent(code, args["caller"], tuple(operands), is_scalar, args["result"])


def _operand(name: str, value: Any) -> list[bytes]:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int):
        return [value.to_bytes(1 if name.endswith("Type") else 32, "big")]
    return [value]


def _id(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _coprocessors(rows: Any) -> tuple[events.Coprocessor, ...]:
    return tuple(events.Coprocessor(*row) for row in rows)


def _same_order(struct: Callable[..., Event]) -> Callable[[Arguments], Event]:
    return lambda args: struct(*args.values())


def _commit(struct: Callable[..., Event]) -> Callable[[Arguments], Event]:
    return lambda args: struct(*(_id(v) if k == "keyId" else v for k, v in args.items()))


_BUILDERS: dict[str, Callable[[Arguments], Event]] = {
    "VerifyInput": _same_order(events.InputVerified),
    "Allowed": _same_order(events.Allowed),
    "AllowedForDecryption": _same_order(events.AllowedForDecryption),
    "DelegatedForUserDecryption": _same_order(events.DelegatedForUserDecryption),
    "RevokedDelegationForUserDecryption": _same_order(events.RevokedDelegationForUserDecryption),
    "DecryptionSignaturesInvalidated": _same_order(events.DecryptionSignaturesInvalidated),
    "BlockedAccount": _same_order(events.AccountBlocked),
    "UnblockedAccount": _same_order(events.AccountUnblocked),
    "ActivateKey": lambda args: events.ActivateKey(
        _id(args["keyId"]),
        args["kmsNodeStorageUrls"],
        tuple(events.KeyDigest(*row) for row in args["keyDigests"]),
    ),
    "ActivateCrs": lambda args: events.ActivateCrs(
        _id(args["crsId"]), args["kmsNodeStorageUrls"], args["crsDigest"]
    ),
    "BridgeHandle": _same_order(events.BridgeHandle),
    "HandleBridged": _same_order(events.HandleBridged),
    "FallbackGrantedPlaintext": lambda args: events.FallbackGranted(
        args["dstHandle"], _id(args["plaintext"])
    ),
    "VerifyProofRequest": _same_order(events.VerifyProofRequest),
    "VerifyProofResponseCall": _same_order(events.VerifyProofResponseCall),
    "VerifyProofResponse": _same_order(events.VerifyProofResponse),
    "RejectProofResponseCall": _same_order(events.RejectProofResponseCall),
    "RejectProofResponse": _same_order(events.RejectProofResponse),
    "AllowAccount": _same_order(events.AccountAllowed),
    "AllowPublicDecrypt": _same_order(events.PublicDecryptAllowed),
    "AddCiphertextMaterial": _commit(events.AddCiphertextMaterial),
    "AddCiphertextMaterialConsensus": _commit(events.AddCiphertextMaterialConsensus),
    "UpdateCoprocessors": lambda args: events.UpdateCoprocessors(
        _coprocessors(args["newCoprocessors"]), args["newCoprocessorThreshold"]
    ),
    "UpdateCoprocessorThreshold": _same_order(events.UpdateCoprocessorThreshold),
    "AddHostChain": lambda args: events.AddHostChain(*args["hostChain"]),
    "DisableHostChain": _same_order(events.DisableHostChain),
    "EnableHostChain": _same_order(events.EnableHostChain),
    "RemoveHostChain": _same_order(events.RemoveHostChain),
}
NAMES = frozenset(_BUILDERS) | frozenset(_OPERANDS)
