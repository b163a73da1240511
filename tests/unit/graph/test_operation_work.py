"""Every operation from its event to the engine: decoded, checked, dispatched, computed on clear numbers."""

import pytest
from graph_world import GraphWorld, Process, honest
from unit.domain.worlds import CRS, KEY, Logs, block, h
from unit.fhe.clear_model import expected

from streams.domain.lifecycle import WorkState
from streams.domain.operations import OPERATIONS, FheType, Kind
from streams.domain.work import ComputeWork
from streams.fhe import clear, matrix
from streams.fhe.component import component_outputs
from streams.fhe.suite import Plain

U8, BOOL = FheType.UINT8, FheType.BOOL
CELLS = [cell for cell in matrix.cells() if cell.fhe_type is U8]
NUMBERS = (0xF3, 0x15, 0x0B)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def result(cell: matrix.Cell) -> bytes:
    return h(f"result {cell}", cell.out_type)


def with_events(logs: Logs, cell: matrix.Cell) -> None:
    """A transaction that encrypts the operands, computes and allows the result."""
    words: list[bytes] = []
    for place, operand in enumerate(matrix.operands(cell, *NUMBERS)):
        if isinstance(operand, Plain):
            words.append(operand.value.rjust(32, b"\0"))
            continue
        handle = h(f"{cell} {place}", operand.fhe_type)
        logs.trivial(handle, operand.value, tx=str(cell))
        words.append(handle)
    logs.computed(cell.name, event_data(cell, words), tx=str(cell)).allow(result(cell), tx=str(cell))


def event_data(cell: matrix.Cell, words: list[bytes]) -> bytes:
    """The event's arguments as contracts encode them."""
    output, flag = result(cell), (b"\x01" if cell.scalar else b"\x00").ljust(32, b"\0")
    factor = (b"\x03" if cell.scalar else b"\x01").ljust(32, b"\0")
    match cell.operation.kind:
        case Kind.BINARY:
            parts = [*words, flag, output]
        case Kind.RAND:
            parts = [words[1], seed(words[0]), output]
        case Kind.RAND_BOUNDED:
            parts = [words[1], words[2], seed(words[0]), output]
        case Kind.SUM:
            parts = [word(64), output, word(len(words)), *words]
        case Kind.IS_IN:
            parts = [words[0], word(96), output, word(len(words) - 1), *words[1:]]
        case Kind.MUL_DIV:
            parts = [*words, factor, output]
        case _:
            parts = [*words, output]
    return b"".join(parts)


def seed(full: bytes) -> bytes:
    """A bytes16: from the left."""
    return full[16:].ljust(32, b"\0")


def wanted(cell: matrix.Cell) -> int:
    operands = matrix.operands(cell, *NUMBERS)
    if not cell.operation.is_random:
        return expected(cell, operands)
    plain = [operand for operand in operands if isinstance(operand, Plain)]
    ct64 = clear.ClearCompute().execute(cell.operation.code, plain, cell.out_type)
    return clear.decode(clear.STORED, ct64, cell.out_type)


async def computed(world: GraphWorld, process: Process) -> dict[bytes, int]:
    """What a worker on clear numbers gets out of all items, by handle."""
    found: dict[bytes, int] = {}
    for _ in range(60):
        await world.beat_all()
        await world.clock.advance(1.1)
        await process.settle()
        taken = [work for _, work in world.take_work("tfhe") if isinstance(work, ComputeWork)]
        if not taken:
            return found
        for work in taken:
            for output in component_outputs(clear.ClearCompute(), work):
                found[output.handle] = clear.decode(clear.STORED, output.ct64, output.fhe_type)
            await world.answer(*honest(work))
        await process.settle()
    raise AssertionError("the items never end")


async def test_every_operation_reaches_the_engine_with_its_operands(world: GraphWorld) -> None:
    logs = Logs()
    for cell in CELLS:
        with_events(logs, cell)
    assert {cell.name for cell in CELLS} == {row.name for row in OPERATIONS if row.kind is not Kind.INPUT}
    async with world.process() as process:
        await process.settle()
        await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", logs))
        found = await computed(world, process)
    assert found == {result(cell): wanted(cell) for cell in CELLS}


@pytest.mark.parametrize(
    ("name", "words", "gives", "cause"),
    [
        ("Div", (word(256), word(1 << 248)), U8, "Div by zero"),
        ("MulDiv", (word(9), word(256), (b"\x03").ljust(32, b"\0")), U8, "MulDiv by zero"),
        ("Add", (h("c", BOOL), bytes(32)), U8, "different types"),
        ("Ge", (word(9), word(1 << 248)), U8, "gives type 0"),
        ("Cast", (word(BOOL),), BOOL, "does not give type 0"),
        ("Cast", (word(30),), 30, "does not give type 30"),
    ],
)
async def test_a_wrong_operation_fails_its_own_component_only(
    world: GraphWorld, name: str, words: tuple[bytes, ...], gives: int, cause: str
) -> None:
    value, output, other = h("value", U8), h("output", gives), h("other")
    logs = Logs().trivial(value, 7).trivial(h("c", BOOL), 1)
    logs.computed(name, b"".join((value, *words, output))).allow(output)
    logs.trivial(other, 1, tx="good").allow(other, tx="good")
    async with world.process() as process:
        await process.settle()
        await world.publish(block("0", 0, "-1", anchor=True), KEY, CRS, block("1", 1, "0", logs))
        found = await computed(world, process)
    assert found == {other: 1}
    (failed,) = [row for row in world.items(WorkState.FAILED) if row.work_class == "tfhe"]
    assert cause in failed.cause
