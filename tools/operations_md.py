"""Writes docs/fhe-operations.md out of `domain/operations.py`.

Run it after a change of the table: `python -m tools.operations_md > docs/fhe-operations.md`. A test fails
when the page and the table differ.
"""

import sys
from collections.abc import Collection, Iterator
from typing import Final

from streams.domain.operations import OPERATIONS, FheType, Kind, Operation, Result, Scalar, values_max

_HEAD: Final = """\
# Operations

What an fhevm contract can ask for, from the table in `streams/domain/operations.py`, which also drives
decoding, checks, costs and tests. This page is written by `tools/operations_md.py`. The suites `tfhe-rs`,
`wave` and `clear` have all of it; `tfhe-rs` gives the bytes of the existing operators, which
`cipherstream doctor --known-answers FILE` checks.

"""
_TAIL: Final = """
* Numbers are unsigned and wrap at their width. Shifts and rotations take the amount modulo the width.
* A plaintext is a big-endian word of which the low bytes count, to the width of the operand beside it. Beside
  a Bool it is true when any byte is set; a trivial encryption to Bool looks at the last byte only.
* A divisor is always a plaintext. If it is zero after it was cut, the operation fails; so it does with other
  types or counts, an unknown code, and a bound that is no power of two. What fails is the component that the
  operation is in, with the cause.
* A cast cuts or extends with zeros. Contracts cannot cast to Bool; the engines can, as "more than zero".
* A product that is divided (`MulDiv`) has twice the width until it was divided.
* Random numbers follow from the low 16 bytes of the seed and from the key set's secret; below a bound of 2^n
  they have n random bits. `wave` draws the numbers of `tfhe-rs`, `clear` others.
* Cost: milliseconds on one core for 64 bits, of a collection for each value, scaled by the width. It drives
  fairness and time limits.
* The engines also have what no contract asks for: Uint4, Uint512, Uint1024 and Uint2048 wherever the
  operators' library has them.
"""
_PLAINTEXT: Final = {Scalar.MAY: "may be", Scalar.MUST: "must be", Scalar.NEVER: ""}


def render() -> str:
    """The page."""
    return _HEAD + "\n".join(_lines()) + "\n" + _TAIL


def _lines() -> Iterator[str]:
    yield "| code | operation | types | plaintext | gives | ms |"
    yield "|---|---|---|---|---|---|"
    for operation in OPERATIONS:
        if operation.kind is not Kind.INPUT:
            yield _row(operation)


def _row(operation: Operation) -> str:
    cells = (
        str(operation.code),
        f"{operation.name}{_limit(operation)}",
        _names(operation.types),
        _PLAINTEXT[operation.scalar],
        _gives(operation),
        str(operation.tfhe_ms),
    )
    return "| " + " | ".join(cells) + " |"


def _limit(operation: Operation) -> str:
    if operation.kind not in (Kind.SUM, Kind.IS_IN):
        return ""
    return f", at most {values_max(FheType.UINT32)} values to 32 bits, {values_max(FheType.UINT64)} above"


def _gives(operation: Operation) -> str:
    if operation.kind is Kind.CAST:
        return _names(operation.targets)
    return {Result.BOOL: "Bool", Result.STATED: "the stated type"}.get(operation.result, "the same type")


def _names(types: Collection[FheType]) -> str:
    """`Bool` and the widths of the numbers."""
    names = ["Bool"] if FheType.BOOL in types else []
    widths = [str(fhe_type.bits) for fhe_type in sorted(types) if fhe_type is not FheType.BOOL]
    return ", ".join(names + widths)


if __name__ == "__main__":
    sys.stdout.write(render())
