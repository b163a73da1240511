"""What was made and is not any more: a reorganisation takes settled calls, and nobody asks for them again."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import msgspec
import pytest
from fake_gateway import PRICE, refusal
from sender_rig import KEY, Rig, commit_of, looking
from structlog.testing import capture_logs

from streams.adapters.ethereum.errors import RpcRefused
from streams.adapters.memory.sender_store import MemorySenderStore
from streams.domain.transactions import CallState
from streams.services.sender.encode import ADD_MATERIAL, UNKNOWN
from streams.services.sender.idle import LOOK_S
from streams.services.sender.line import LOOK_AGAIN_S
from streams.services.sender.steps import Sender
from streams.settings import SenderSettings

KillAt = Callable[[str], type[BaseException]]
BLOCKS = 4
BOUND = 20


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    rig = Rig(sender=SenderSettings(replace_after_blocks=BLOCKS, review_blocks=BOUND))
    yield rig
    await rig.store.close()


@pytest.fixture
async def sender(rig: Rig) -> AsyncGenerator[Sender]:
    """It has made the first call, and looks after it."""
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    async with looking(sender):
        await look(rig)
        yield sender


async def look(rig: Rig, times: int = 1) -> None:
    await rig.clock.advance(times * LOOK_S + 1)


def take(rig: Rig) -> None:
    """Another branch, on which somebody else's transactions have the nonces of the last block."""
    used = len(rig.node.chain[-1])
    rig.node.forget(1)
    rig.node.foreign += used
    rig.node.mine(empty=2)


@pytest.mark.usefixtures("sender")
async def test_a_call_whose_nonce_the_new_branch_used_is_made_under_another_one(rig: Rig) -> None:
    take(rig)
    await look(rig)
    assert rig.states() == [(0, CallState.LOST), (1, CallState.CONFIRMED)]
    assert rig.node.made == [rig.data(commit_of(1))]
    assert rig.table.rows[KEY.address, 1].item == "item1"


async def test_a_call_that_the_new_branch_refused_is_made_when_it_is_taken(rig: Rig) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    data = rig.data(commit_of(1))
    rig.node.reverts.add(data)
    rig.node.forget(1)
    async with looking(sender):
        await look(rig)
        assert rig.node.made == []
        rig.node.refuses[data] = refusal("HostChainDisabled")
        await look(rig, 2)
        rig.node.refuses.clear()
        rig.node.reverts.clear()
        await look(rig)
    assert rig.states()[-1][1] is CallState.CONFIRMED
    assert rig.node.made == [data]


async def test_a_busy_sender_makes_again_what_a_reorganisation_took(rig: Rig, sender: Sender) -> None:
    rig.node.is_mining = False
    busy = asyncio.create_task(rig.send(sender, commit_of(2)))
    await rig.clock.advance(1)
    rig.node.pool.clear()
    take(rig)
    await look(rig)
    assert not busy.done()
    waiting = {rig.table.rows[KEY.address, nonce].data for nonce in rig.node.pool}
    assert waiting == {rig.data(commit_of(number)) for number in (1, 2)}
    rig.node.is_mining = True
    rig.node.mine()
    await look(rig)
    await busy
    assert sorted(rig.node.made) == sorted(rig.data(commit_of(number)) for number in (1, 2))


@pytest.mark.usefixtures("sender")
async def test_without_a_reorganisation_no_receipt_is_read_again(rig: Rig) -> None:
    before = rig.node.receipts
    await look(rig, 5)
    assert rig.node.receipts == before


def narrow(calls_max: int) -> Rig:
    """A sender that makes so many calls at once."""
    return Rig(sender=SenderSettings(review_blocks=BOUND, calls_max=calls_max))


def refuse(rig: Rig, *numbers: int) -> None:
    for number in numbers:
        rig.node.refuses[rig.data(commit_of(number))] = refusal("EnforcedPause")


def given_up(rig: Rig, kind: str = ADD_MATERIAL) -> float | None:
    return rig.metrics.value("cipherstream_sender_taken_calls_given_up", {"kind": kind})


async def test_calls_that_are_refused_do_not_starve_those_behind_them() -> None:
    rig = narrow(calls_max=2)
    sender = rig.sender()
    works = [commit_of(number) for number in range(6)]
    for work in works:
        await rig.send(sender, work)
    async with looking(sender):
        await look(rig)
        rig.node.forget(len(works))
        rig.node.foreign += len(works)
        rig.node.mine()
        refuse(rig, 0, 1, 2, 3)
        with capture_logs() as lines:
            await look(rig)
        assert [line["action"] for line in lines].count("taken_call_waits") == 2, "and no more at once"
        await look(rig, 2)
        assert sorted(rig.node.made) == [rig.data(work) for work in works[4:]]
        rig.node.refuses.clear()
        await look(rig, 3)
    assert sorted(rig.node.made) == [rig.data(work) for work in works]


async def test_what_a_reorganisation_took_is_made_at_one_look_however_few_go_at_once() -> None:
    """On a chain with quick blocks a few looks are all that there is time for."""
    rig = narrow(calls_max=2)
    sender = rig.sender()
    for number in range(7):
        await rig.send(sender, commit_of(number))
    async with looking(sender):
        await look(rig)
        rig.node.forget(7)
        rig.node.foreign += 7
        rig.node.mine()
        await look(rig)
        await rig.clock.advance(5)
    assert len(rig.node.made) == 7


@pytest.mark.usefixtures("sender")
async def test_a_call_is_given_up_only_after_it_was_refused_where_no_reorganisation_reaches(rig: Rig) -> None:
    take(rig)
    refuse(rig, 1)
    await look(rig, 2)
    assert given_up(rig) == 0
    rig.node.mine(empty=BOUND)
    with capture_logs() as lines:
        await look(rig, 2)
    (told,) = [line for line in lines if line["action"] == "taken_call_given_up"]
    assert (told["item"], told["kind"], told["log_level"]) == ("item1", ADD_MATERIAL, "warning")
    assert "EnforcedPause" in told["event"]
    assert given_up(rig) == 1
    rig.node.refuses.clear()
    await look(rig, 2)
    assert rig.node.made == []


@pytest.mark.usefixtures("sender")
async def test_a_call_that_only_an_outage_kept_is_made_also_when_blocks_went_by_meanwhile(rig: Rig) -> None:
    take(rig)
    rig.node.estimates[rig.data(commit_of(1))] = RpcRefused("eth_estimateGas", -32000, "try later")
    await look(rig, 2)
    rig.node.mine(empty=BOUND)
    await look(rig, 2)
    rig.node.estimates.clear()
    await look(rig)
    assert rig.node.made == [rig.data(commit_of(1))]
    assert given_up(rig) == 0


@pytest.mark.usefixtures("sender")
async def test_a_call_that_waited_for_its_turn_until_it_was_deep_is_not_taken_for_made(rig: Rig) -> None:
    take(rig)
    rig.table.holders[KEY.address] = MemorySenderStore(rig.table)
    await look(rig)
    del rig.table.holders[KEY.address]
    rig.node.mine(empty=BOUND)
    await look(rig)
    assert rig.node.made == [rig.data(commit_of(1))]


@pytest.mark.usefixtures("sender")
async def test_who_waits_for_the_address_gives_up_nothing_that_its_holder_makes(rig: Rig) -> None:
    take(rig)
    rig.table.holders[KEY.address] = MemorySenderStore(rig.table)
    with capture_logs() as lines:
        await look(rig)
        assert [line["action"] for line in lines] == ["taken_call_waits"]
        rig.node.mine(empty=BOUND)
        await look(rig, 3)
    assert [line["action"] for line in lines] == ["taken_call_waits"]
    assert given_up(rig) == 0


async def test_calls_to_contracts_that_the_settings_have_no_more_take_nobody_s_place() -> None:
    rig = narrow(calls_max=1)
    sender = rig.sender()
    for number in range(4):
        await rig.send(sender, commit_of(number))
    for place, row in [*rig.table.rows.items()][:3]:
        left = msgspec.structs.replace(row, to=b"\xcc" * 20, state=CallState.SIGNED)
        rig.table.rows[place] = left
    async with looking(sender):
        await look(rig)
        take(rig)
        await look(rig)
    assert rig.data(commit_of(3)) in rig.node.made
    assert given_up(rig, UNKNOWN) == 0, "they are under way"


async def test_a_call_that_was_taken_from_a_contract_which_nobody_knows_any_more_is_told(rig: Rig) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    row = rig.table.rows[KEY.address, 0]
    rig.table.rows[KEY.address, 0] = msgspec.structs.replace(row, to=b"\xcc" * 20)
    async with looking(sender):
        await look(rig)
        take(rig)
        await look(rig, 3)
    assert given_up(rig, UNKNOWN) == 1


async def move(rig: Rig, blocks: int) -> None:
    """Another branch, in which the last call is so many blocks later."""
    (moved,) = rig.node.chain[-1]
    rig.node.forget(1)
    rig.node.mine(empty=blocks - 1)
    rig.node.pool[0] = moved
    rig.node.mine()


@pytest.mark.usefixtures("sender")
async def test_a_call_that_another_branch_has_in_another_block_is_told_to_be_there(rig: Rig) -> None:
    first = rig.table.rows[KEY.address, 0]
    await move(rig, 5)
    await look(rig)
    row = rig.table.rows[KEY.address, 0]
    assert (row.state, row.block_number) == (CallState.CONFIRMED, first.block_number + 5)
    assert row.signed == first.signed
    rig.node.mine(empty=BOUND - 3)  # deeper than the bound, counted from where it was first
    await look(rig)
    taken = rig.node.chain[row.block_number :]
    rig.node.forget(len(taken))
    rig.node.foreign += 1
    rig.node.mine(empty=len(taken))
    await look(rig)
    assert rig.node.made == [rig.data(commit_of(1))]


async def test_a_call_in_another_block_is_final_below_as_many_blocks_as_any_other() -> None:
    rig = Rig(confirmations=3, sender=SenderSettings(review_blocks=BOUND))
    sender = rig.sender()
    rig.node.is_mining = False
    first = asyncio.create_task(rig.send(sender, commit_of(1)))
    await rig.clock.advance(1)
    rig.node.mine(empty=3)
    await rig.clock.advance(1)
    await first
    del rig.node.chain[2:]
    await move(rig, 2)
    again = asyncio.create_task(rig.send(sender, commit_of(1)))
    await rig.clock.advance(1)
    assert not again.done()
    rig.node.mine(empty=3)
    await rig.clock.advance(1)
    (sent,) = await again
    assert sent.block_number == rig.table.rows[KEY.address, 0].block_number == 3


@pytest.mark.parametrize(("deep", "is_made"), [(BOUND - 3, True), (BOUND + 1, False)])
@pytest.mark.usefixtures("sender")
async def test_what_lies_deeper_than_the_settings_say_is_final(rig: Rig, deep: int, is_made: bool) -> None:
    take(rig)
    rig.node.mine(empty=deep - 3)
    await look(rig)
    assert (rig.node.made != []) is is_made


async def test_what_a_reorganisation_took_while_no_sender_ran_is_made_after_the_start(rig: Rig) -> None:
    await rig.send(rig.sender(), commit_of(1))
    take(rig)
    async with looking(await rig.restart()):
        await look(rig)
    assert rig.node.made == [rig.data(commit_of(1))]


@pytest.mark.parametrize("point", ["decided", "committed", "broadcast", "receipt", "settled"])
async def test_a_kill_while_a_call_is_made_again_makes_it_once(rig: Rig, kill_at: KillAt, point: str) -> None:
    await rig.send(rig.sender(), commit_of(1))
    take(rig)
    kill_at(f"sender.{point}")
    async with looking(await rig.restart()) as killed:
        await look(rig)
        assert killed.done()
    async with looking(await rig.restart()):
        await look(rig, 2)
    assert rig.node.made == [rig.data(commit_of(1))]
    assert rig.states() == [(0, CallState.LOST), (1, CallState.CONFIRMED)]


async def test_a_call_that_was_refused_on_the_new_branch_is_made_again_after_a_kill(
    rig: Rig, kill_at: KillAt
) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    rig.node.is_mining = False
    rig.node.forget(1)
    rig.node.reverts.add(rig.data(commit_of(1)))
    kill_at("sender.settled")
    async with looking(sender) as killed:
        await look(rig)
        assert rig.states() == [(0, CallState.SIGNED)]
        rig.node.mine(empty=2)
        await rig.clock.advance(1)
        assert killed.done()
    assert rig.states() == [(0, CallState.LOST)]
    rig.node.is_mining = True
    rig.node.reverts.clear()
    async with looking(await rig.restart()):
        await look(rig, 2)
    assert rig.node.made == [rig.data(commit_of(1))]


async def test_an_item_that_comes_again_after_its_call_was_taken_is_made_and_not_only_answered(
    rig: Rig,
) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    take(rig)
    (sent,) = await rig.send(sender, commit_of(1))
    assert sent.transaction_hash == rig.table.rows[KEY.address, 1].signed.hash
    assert rig.node.made == [rig.data(commit_of(1))]


@pytest.mark.parametrize("state", [CallState.CONFIRMED, CallState.LOST, CallState.REVERTED])
async def test_a_settled_call_whose_nonce_is_open_again_is_raised_like_any_other(
    rig: Rig, state: CallState
) -> None:
    rig.node.reverts |= {rig.data(commit_of(1))} if state is CallState.REVERTED else set()
    first = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    await asyncio.wait((first,))
    assert isinstance(first.exception(), Exception) is (state is CallState.REVERTED)
    row = rig.table.rows[KEY.address, 0]
    rig.table.rows[KEY.address, 0] = msgspec.structs.replace(row, state=state)
    rig.node.is_mining = False
    rig.node.forget(1)
    rig.node.base_fee = rig.node.price = 5 * PRICE
    async with rig.sending(commit_of(2)):
        await rig.clock.advance(2 * LOOK_AGAIN_S)
        rig.node.mine(empty=BLOCKS)
        await rig.clock.advance(2 * LOOK_AGAIN_S)
        row = rig.table.rows[KEY.address, 0]
        assert len(row.earlier) == 1
        assert row.signed.max_fee >= 5 * PRICE
        assert rig.node.pool[0] == row.signed.hash
