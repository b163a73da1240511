"""The cells of the matrix that every run computes on really encrypted numbers, with both engines."""

from streams.domain.operations import FheType
from streams.fhe import matrix

FUSED = "MulDiv"  # twice the width: six times as slow as the slowest of the others
# Of add, sub, ge, eq, select and cast on Uint64; the others are byte for byte among the known answers.
TOKEN = frozenset({"Eq_64_scalar", "Cast_64_to_16", "Cast_64_to_32", "Cast_64_to_128"})


def is_random(cell: matrix.Cell) -> bool:
    return cell.operation.is_random


def encrypted_cells() -> list[matrix.Cell]:
    """Those on Uint8 but the slowest, a token's on Uint64, and random numbers of every type."""
    return [
        cell
        for cell in matrix.cells()
        if (cell.fhe_type is FheType.UINT8 and cell.name != FUSED) or str(cell) in TOKEN or is_random(cell)
    ]
