"""With the gateway's contract for rights in the settings the graph asks the sender to repeat them."""

from unit.domain.worlds import CALLER, KEY, Logs, block, h
from unit.graph.graph_world import GraphWorld

from streams.domain import items
from streams.domain.lifecycle import WorkState
from streams.domain.work import AllowAccount, SendWork
from streams.settings import GatewaySettings, Settings

ONE = h("one")
BLOCKS = (block("b0", 0, "none", anchor=True), block("b1", 1, "b0", Logs().trivial(ONE, 1).allow(ONE)))


async def calls_of(world: GraphWorld) -> list[object]:
    """Calls that the sender is asked for before anything is computed."""
    await world.publish(KEY, *BLOCKS)
    async with world.process() as process:
        await process.settle()
        taken = world.take_work("sender")
        await world.answer_all(taken)
        await process.live()
    return [work.call for _, work in taken if isinstance(work, SendWork)]


async def test_a_right_is_sent_at_once_and_closed_by_its_result() -> None:
    gateway = GatewaySettings(multichain_acl_address="0x" + "cc" * 20)
    world = GraphWorld(settings=Settings(gateway=gateway))
    assert await calls_of(world) == [AllowAccount(handle=ONE, account=CALLER)]
    assert [row.state for row in world.items() if row.kind == items.ALLOW] == [WorkState.DONE]


async def test_without_it_nothing_is_repeated() -> None:
    world = GraphWorld()
    assert await calls_of(world) == []
    assert [row for row in world.items() if row.kind == items.ALLOW] == []
