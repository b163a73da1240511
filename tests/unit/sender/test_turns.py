"""Turns come one after the other, whoever is ready first."""

import asyncio
import contextlib
import gc
import weakref

from streams.adapters.memory.clock import settle
from streams.services.sender.turns import Turns


async def test_a_turn_waits_for_all_that_are_open_before_it() -> None:
    turns = Turns()
    with turns.next() as first, turns.next() as second, turns.next() as third:
        coming = asyncio.ensure_future(third.come())
        second.end()
        await settle()
        assert not coming.done()
        first.end()
        await coming


async def test_a_turn_that_is_over_waits_for_nobody() -> None:
    turns = Turns()
    with turns.next(), turns.next() as second:
        second.end()
        await second.come()


async def test_a_turn_that_never_came_keeps_none_of_those_before_it() -> None:
    turns = Turns()
    one, two = contextlib.ExitStack(), contextlib.ExitStack()
    first, second = one.enter_context(turns.next()), two.enter_context(turns.next())
    one.close()
    two.close()
    gone = weakref.ref(first)
    del first
    with turns.next():
        gc.collect()
        assert gone() is None
    assert second.is_over


async def test_a_turn_ends_with_its_block() -> None:
    turns = Turns()
    with turns.next() as first:
        pass
    with turns.next() as second:
        await second.come()
    assert first.is_over
