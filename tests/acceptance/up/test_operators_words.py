"""`control` on running services: a pause, its end, and a feature that is switched meanwhile."""

import asyncio

import pytest
from running import Running

from streams.devnet.demo.ledger import Mint
from streams.devnet.demo.traffic import Traffic
from streams.domain.partition import partition_of
from streams.domain.work import WorkClass
from streams.messages.topics import WORK

pytestmark = pytest.mark.stack


async def mint_twice(traffic: Traffic) -> None:
    await asyncio.gather(*(traffic.mint(Mint(user, 10 + user)) for user in range(2)))


async def test_a_paused_tenant_is_not_dispatched_and_goes_on_where_the_switch_says(running: Running) -> None:
    token = await running.new_token("paused")
    async with running.paused():
        handles = await running.sent(token, mint_twice)
        # Where credit is free, an item is never seen ready: the transaction that makes it so claims it.
        await running.until_items(handles, "ready", "blocked")
        await running.control("feature", "locality", "on")
        waiting = await running.items(handles)
        assert {row["state"] for row in waiting} == {"ready", "blocked"}
        assert {row["claimed_at"] for row in waiting} == {None}
    done = await running.until_items(handles, "done")
    count = await running.log.partitions(WORK[WorkClass.TFHE])
    assert [row["partition"] for row in done] == [partition_of(row["affinity"], count) for row in done]
    await running.control("feature", "locality", "default")
