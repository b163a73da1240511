"""What the engines compute: the rules of the table, for every type that the operators' engines have.

Both engines refuse the same things for the same reason, because both ask here first.
"""

from collections.abc import Sequence

from streams.domain.operations import Operation
from streams.domain.rules import check_shapes, computation
from streams.fhe.suite import Encrypted, Operand


def checked(code: int, operands: Sequence[Operand], out_type: int) -> Operation:
    """The operation, after its number, kinds, types and plaintexts of operands.

    Raises:
        OperationError: it names what is wrong.
    """
    operation = computation(code)
    shapes = [operand.fhe_type if isinstance(operand, Encrypted) else operand.value for operand in operands]
    # library=True: more types than contracts may ask for. The graph has checked the contract's rules; a
    # worker must not refuse what clients may legally store (Uint4, wide types).
    check_shapes(operation, shapes, out_type, library=True)
    return operation
