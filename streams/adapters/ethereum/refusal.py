"""What a node's error means. Nodes write errors in many shapes and number them as they like."""

from typing import Final, cast

import msgspec

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused

_UNKNOWN_BLOCK: Final = ("unknown block", "header not found", "block not found")
# Only what runs a contract can be refused by one: another method's error must not look like its verdict.
_RUNNING: Final = frozenset({"eth_call", "eth_estimateGas", "eth_sendRawTransaction"})
_REVERTED_CODE: Final = 3
_WORDS_CHARS_MAX: Final = 1_000  # of a message: it goes into logs, health reports and results


class Problem(msgspec.Struct, frozen=True):
    """The `error` of an answer."""

    code: int
    message: str
    data: object


def problem_of(error: object) -> Problem:
    """An error in whatever shape it came: the standard's object, other types in it, or bare words."""
    if not isinstance(error, dict):
        return Problem(0, _words(error), None)
    fields = cast(dict[str, object], error)
    return Problem(_code(fields.get("code")), _words(fields.get("message")), fields.get("data"))


def refusal(method: str, problem: Problem) -> Exception:
    """The error to raise for a problem with a request of that method."""
    data = problem.data if isinstance(problem.data, str) else None
    text = problem.message.lower()
    if any(phrase in text for phrase in _UNKNOWN_BLOCK):
        return BlockUnknown(method, problem.code, problem.message, data)
    if method in _RUNNING and (problem.code == _REVERTED_CODE or "revert" in text):
        return abi.decode_error(_revert_data(problem.data), problem.message)
    return RpcRefused(method, problem.code, problem.message, data)


def _words(value: object) -> str:
    return value[:_WORDS_CHARS_MAX] if isinstance(value, str) else "an error without words"


def _code(value: object) -> int:
    try:
        return int(value) if isinstance(value, int | str) else 0
    except ValueError:
        return 0


def _revert_data(data: object) -> bytes:
    """What the contract returned: nodes give hex, words before the hex, or an object around it."""
    while isinstance(data, dict):
        found = cast(dict[str, object], data)
        data = found.get("data", found.get("result"))
    words = data.split() if isinstance(data, str) else []
    try:
        return bytes.fromhex(words[-1].removeprefix("0x")) if words else b""
    except ValueError:
        return b""
