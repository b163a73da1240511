import asyncio
from collections.abc import Callable

import pytest

from streams.adapters.memory.clock import settle
from streams.services.worker.pool import Gate


class Rooms:
    """Visitors of a gate, who stay until they are told to go."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.inside: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, *, alone: bool = False) -> None:
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._visit(name, alone))
        await settle()

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await settle()

    async def _visit(self, name: str, alone: bool) -> None:
        async with self.gate.enter(alone=alone):
            self.inside.append(name)
            try:
                await self._leave[name].wait()
            finally:
                self.inside.remove(name)


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


async def test_items_are_inside_together(rooms: Rooms) -> None:
    await rooms.come("a")
    await rooms.come("b")
    assert rooms.inside == ["a", "b"]


async def test_a_suspect_waits_until_it_is_alone_and_keeps_others_out(rooms: Rooms) -> None:
    await rooms.come("a")
    await rooms.come("suspect", alone=True)
    await rooms.come("b")
    assert rooms.inside == ["a"]
    await rooms.go("a")
    assert rooms.inside == ["suspect"]
    await rooms.go("suspect")
    assert rooms.inside == ["b"]


async def test_suspects_take_turns(rooms: Rooms) -> None:
    await rooms.come("first", alone=True)
    await rooms.come("second", alone=True)
    assert rooms.inside == ["first"]
    await rooms.go("first")
    assert rooms.inside == ["second"]


async def _cancelled_waiting(rooms: Rooms) -> None:
    await rooms.come("a")
    await rooms.come("suspect", alone=True)
    rooms.tasks["suspect"].cancel()
    await settle()


async def _failed_inside(rooms: Rooms) -> None:
    await rooms.come("suspect", alone=True)
    rooms.tasks["suspect"].cancel()
    await settle()


@pytest.mark.parametrize("leave", [_cancelled_waiting, _failed_inside])
async def test_who_was_cancelled_blocks_nobody(
    rooms: Rooms, leave: Callable[[Rooms], asyncio.Future[None]]
) -> None:
    await leave(rooms)
    await rooms.come("b")
    assert "b" in rooms.inside
