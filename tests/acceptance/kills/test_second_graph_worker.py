"""`faust -A streams.app worker -l info` joins the group of a running graph service."""

import pytest
from baseline import Baseline
from harness import PARTITIONS_MAX, Bench, until
from look import Look
from verdict import assert_same, play

pytestmark = pytest.mark.stack
_OWNED = "select count(*) from shard_owner"
_OWNERS = "select count(distinct owner) from shard_owner"


async def test_a_second_worker_takes_its_part(bench: Bench, baseline: Baseline) -> None:
    async with bench.round() as played, Look(played).open() as look, played.running():

        async def is_owned() -> bool:
            return await look.value(_OWNED) == PARTITIONS_MAX

        async def is_shared() -> bool:
            return await look.value(_OWNERS) == 2

        await until(is_owned, "the first worker has all shards")
        async with played.running({"second": "faust"}):
            await until(is_shared, "the second worker has some of them")
            outcome = await play(played, baseline.script, baseline.inputs, baseline.handles)
            assert await is_shared()
    assert_same(outcome, baseline.outcome)
