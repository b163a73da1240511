"""Stuck nonces: fees that are too low, a node that forgot, gaps, and somebody else with our key."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
from fake_gateway import PRICE, refusal
from sender_rig import KEY, Rig, commit_of

from streams.adapters.ethereum.errors import RpcRefused
from streams.adapters.memory.sender_store import MemorySenderStore
from streams.domain.transactions import FILLER, CallState, StoredCall
from streams.services.sender.alarms import ALARM_COUNTER, ALARM_GAUGE, Alarm
from streams.services.sender.line import GAS_MAX, LOOK_AGAIN_S, NOT_MINED_S
from streams.services.sender.nonces import AHEAD_MAX
from streams.services.sender.steps import Sender
from streams.settings import SenderSettings

BLOCKS = 4
FOREIGN = b"\xff" * 32
KillAt = Callable[[str], type[BaseException]]


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    rig = Rig(sender=SenderSettings(replace_after_blocks=BLOCKS, fee_cap_gwei=10))
    rig.node.is_mining = False
    yield rig
    await rig.store.close()


async def pass_by(rig: Rig, blocks: int) -> None:
    """Blocks that leave our calls out, and time to see them."""
    rig.node.mine(empty=blocks - 1)
    await rig.clock.advance(2 * LOOK_AGAIN_S)


async def at_work(rig: Rig, sender: Sender | None = None, *numbers: int) -> asyncio.Task[object]:
    works = [commit_of(number) for number in numbers or (1,)]
    sending = asyncio.create_task(rig.send(sender or rig.sender(), *works))
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    return sending  # type: ignore[return-value]


async def ended(rig: Rig, sending: asyncio.Task[object]) -> None:
    rig.node.is_mining = True
    rig.node.mine()
    await rig.clock.advance(8 * LOOK_AGAIN_S)
    await sending


def row_of(rig: Rig, nonce: int = 0) -> StoredCall:
    return rig.table.rows[KEY.address, nonce]


async def test_the_first_in_line_is_replaced_when_so_many_blocks_left_it_out(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.base_fee, rig.node.price = 5 * PRICE, 5 * PRICE
    await pass_by(rig, BLOCKS - 1)
    assert row_of(rig).earlier == (), "not yet"
    await pass_by(rig, 1)
    row = row_of(rig)
    assert len(row.earlier) == 1
    assert row.signed.max_fee >= rig.node.base_fee
    assert rig.node.pool[0] == row.signed.hash
    await ended(rig, sending)
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert rig.node.made == [row.data]


@pytest.mark.parametrize("words", ["insufficient funds for gas * price + value", "invalid sender"])
async def test_fees_do_not_rise_for_what_they_cannot_cure(rig: Rig, words: str) -> None:
    rig.node.says = words
    sending = await at_work(rig)
    for _ in range(5):
        await pass_by(rig, BLOCKS)
    assert row_of(rig).earlier == ()
    rig.node.says = ""
    await ended(rig, sending)
    assert row_of(rig).earlier == ()
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_without_blocks_nothing_is_replaced(rig: Rig) -> None:
    sending = await at_work(rig)
    await rig.clock.advance(NOT_MINED_S)
    assert row_of(rig).earlier == ()
    assert "nonce 0 has been first in line" in rig.alarms.standing[Alarm.NOT_MINED]
    await ended(rig, sending)
    assert rig.alarms.standing == {}


async def test_the_replaced_version_may_be_the_one_that_is_mined(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.base_fee = 5 * PRICE
    await pass_by(rig, BLOCKS)
    rig.node.base_fee = 0
    rig.node.pool[0] = row_of(rig).earlier[0]
    await ended(rig, sending)
    assert row_of(rig).transaction_hash == row_of(rig).earlier[0]
    assert len(rig.node.made) == 1


async def test_those_behind_are_raised_along_where_their_fees_are_below_the_price(rig: Rig) -> None:
    sending = await at_work(rig, None, 1, 2, 3)
    rig.node.base_fee, rig.node.price = 4 * PRICE, 4 * PRICE
    await pass_by(rig, BLOCKS)
    assert [len(row_of(rig, nonce).earlier) for nonce in range(3)] == [1, 1, 1]
    await ended(rig, sending)
    assert rig.node.made == [rig.data(commit_of(number)) for number in (1, 2, 3)]


async def test_a_kill_between_storing_a_replacement_and_broadcasting_it_loses_nothing(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.base_fee, rig.node.price = 5 * PRICE, 5 * PRICE
    rig.node.says = "txpool is full"  # the replacement is stored, and no node has it
    await pass_by(rig, BLOCKS)
    assert len(row_of(rig).earlier) == 1
    assert rig.node.pool[0] == row_of(rig).earlier[0]
    sending.cancel()
    rig.node.says = ""
    again = await at_work(rig, await rig.restart())
    assert rig.node.pool[0] == row_of(rig).signed.hash
    await ended(rig, again)
    assert rig.node.made == [row_of(rig).data]
    assert row_of(rig).transaction_hash == row_of(rig).signed.hash


def cheap(rig: Rig) -> None:
    """Blocks get dearer than what the call offers."""
    rig.node.base_fee = rig.node.price = 5 * PRICE


def starved(rig: Rig) -> None:
    """A node that forgot the call, and takes it with more gas only."""
    rig.node.pool.clear()
    rig.node.gas = 3 * row_of(rig).gas


@pytest.mark.parametrize("trouble", [cheap, starved])
async def test_a_kill_before_new_bytes_are_broadcast_leaves_them_to_the_next_process(
    rig: Rig, kill_at: KillAt, trouble: Callable[[Rig], None]
) -> None:
    sending = await at_work(rig)
    first = row_of(rig)
    killed = kill_at("sender.replaced")
    trouble(rig)
    await pass_by(rig, BLOCKS)
    with pytest.raises(killed):
        await sending
    assert row_of(rig).earlier == (first.signed.hash,)
    assert row_of(rig).signed.hash not in rig.node.broadcasts
    again = await at_work(rig, await rig.restart())
    assert rig.node.pool[0] == row_of(rig).signed.hash, "the bytes that were stored, and no others"
    await ended(rig, again)
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert rig.node.made == [first.data]


async def test_a_kill_before_a_filler_is_broadcast_leaves_it_to_the_next_process(
    rig: Rig, kill_at: KillAt
) -> None:
    rig.node.pool[0] = FOREIGN
    sending = await at_work(rig)
    killed = kill_at("sender.filled")
    del rig.node.pool[0]
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    with pytest.raises(killed):
        await sending
    filler = row_of(rig, 0)
    assert filler.item == FILLER
    assert filler.signed.hash not in rig.node.broadcasts
    again = await at_work(rig, await rig.restart())
    assert rig.node.pool == {nonce: row_of(rig, nonce).signed.hash for nonce in (0, 1)}
    await ended(rig, again)
    assert row_of(rig, 0).signed == filler.signed, "one filler"
    assert rig.data(commit_of(1)) in rig.node.made


async def test_at_the_cap_an_alarm_stands_until_the_call_is_mined(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.base_fee = rig.node.price = 50 * PRICE
    for _ in range(4):
        await pass_by(rig, BLOCKS)
    assert row_of(rig).signed.max_fee == 10 * PRICE
    versions = len(row_of(rig).earlier)
    assert "nonce 0 needs more than 10000000000 wei per gas" in rig.alarms.standing[Alarm.FEE_CAP]
    assert rig.metrics.value(ALARM_GAUGE, {"alarm": "fee_cap"}) == 1
    assert rig.health.snapshot().dependencies["fee_cap"] == "fail"
    rig.node.base_fee = 0
    await ended(rig, sending)
    assert len(row_of(rig).earlier) == versions
    assert rig.alarms.standing == {}
    assert rig.metrics.value(ALARM_GAUGE, {"alarm": "fee_cap"}) == 0
    assert rig.metrics.value(ALARM_COUNTER, {"alarm": "fee_cap"}) == 1
    assert rig.health.snapshot().status == "healthy"


async def test_a_node_that_forgot_everything_gets_it_again(rig: Rig) -> None:
    sending = await at_work(rig, None, 1, 2, 3)
    pool = dict(rig.node.pool)
    rig.node.pool.clear()
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert rig.node.pool == pool
    await ended(rig, sending)


async def test_bytes_that_an_ended_process_left_are_raised_by_whoever_comes_behind(rig: Rig) -> None:
    left = await at_work(rig)
    left.cancel()
    behind = await at_work(rig, await rig.restart(), 2)
    rig.node.base_fee = rig.node.price = 4 * PRICE
    await pass_by(rig, BLOCKS)
    assert len(row_of(rig, 0).earlier) == 1
    await ended(rig, behind)
    assert len(rig.node.made) == 2


async def test_a_nonce_that_a_foreign_transaction_used_is_an_alarm_and_the_call_is_signed_anew(
    rig: Rig,
) -> None:
    sending = await at_work(rig)
    rig.node.use_next_nonce()
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    await ended(rig, sending)
    assert rig.states() == [(0, CallState.LOST), (1, CallState.CONFIRMED)]
    assert len(rig.node.made) == 1
    told = rig.alarms.standing[Alarm.FOREIGN_TRANSACTION]
    assert f"not ours was mined under nonce 0 of 0x{KEY.address.hex()}" in told


async def test_a_foreign_transaction_in_the_pool_is_an_alarm(rig: Rig) -> None:
    rig.node.pool[0] = FOREIGN
    rig.node.hidden = {0}
    sending = await at_work(rig)
    assert "not ours waits under nonce 0" in rig.alarms.standing[Alarm.FOREIGN_TRANSACTION]
    assert row_of(rig).earlier == ()
    rig.node.use_next_nonce()
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    await ended(rig, sending)
    assert len(rig.node.made) == 1


async def test_a_gap_that_a_foreign_transaction_left_is_filled(rig: Rig) -> None:
    rig.node.pool[0] = FOREIGN
    sending = await at_work(rig)
    assert rig.states() == [(1, CallState.SIGNED)], "behind the other one"
    del rig.node.pool[0]
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    assert row_of(rig, 0).item == FILLER
    assert row_of(rig, 0).to == KEY.address
    await ended(rig, sending)
    assert rig.data(commit_of(1)) in rig.node.made
    await rig.send(rig.sender(), commit_of(2))
    assert rig.states() == [(nonce, CallState.CONFIRMED) for nonce in range(3)]


async def test_a_gap_that_a_reorganisation_left_is_filled_with_the_bytes_that_lost_it(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.use_next_nonce()
    await rig.clock.advance(6 * LOOK_AGAIN_S)
    assert rig.states() == [(0, CallState.LOST), (1, CallState.SIGNED)]
    rig.node.foreign -= 1
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert sorted(rig.node.pool) == [0, 1]
    await ended(rig, sending)
    assert len(rig.node.made) == 1, "the contract takes it once"
    assert rig.states() == [(0, CallState.LOST), (1, CallState.REVERTED)]


async def test_a_key_that_was_used_before_goes_on_behind_that(rig: Rig) -> None:
    rig.node.foreign = 7
    await ended(rig, await at_work(rig))
    assert rig.states() == [(7, CallState.CONFIRMED)]
    assert rig.alarms.standing == {}


async def test_a_node_that_counts_far_too_many_transactions_is_not_believed(rig: Rig) -> None:
    rig.node.is_mining = True
    rig.node.counts = AHEAD_MAX + 1
    async with rig.sending(commit_of(1)) as sending:
        await rig.clock.advance(60)
        assert rig.states() == []
        assert "the node counts 65 transactions, 0 of them mined" in rig.alarms.standing[Alarm.NONCE_AHEAD]
        rig.node.counts = None
        await rig.clock.advance(20)
        await sending
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert rig.alarms.standing == {}


async def test_a_key_with_many_transactions_goes_on_behind_those_that_are_mined(rig: Rig) -> None:
    rig.node.foreign = 100 * AHEAD_MAX
    await ended(rig, await at_work(rig))
    assert rig.states() == [(100 * AHEAD_MAX, CallState.CONFIRMED)]


async def test_more_gas_for_a_call_ends_at_what_a_block_has(rig: Rig) -> None:
    sending = await at_work(rig)
    rig.node.pool.clear()
    rig.node.gas = rig.node.gas_limit - 1
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert row_of(rig).gas == rig.node.gas_limit
    assert rig.node.pool == {0: row_of(rig).signed.hash}
    await ended(rig, sending)


async def test_a_node_that_refuses_for_reasons_of_its_own_is_an_alarm(rig: Rig) -> None:
    rig.node.says = "we do not like this"
    sending = await at_work(rig)
    assert rig.alarms.standing == {Alarm.NODE_REFUSES: "nonce 0: we do not like this"}
    rig.node.says = ""
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert rig.alarms.standing == {}
    await ended(rig, sending)


async def test_two_senders_of_one_table_share_the_line(rig: Rig) -> None:
    first = await at_work(rig)
    second = await at_work(rig, rig.sender(MemorySenderStore(rig.table)), 1, 2)
    await ended(rig, first)
    await rig.clock.advance(5)
    await second
    assert rig.states() == [(0, CallState.CONFIRMED), (1, CallState.CONFIRMED)]
    assert rig.alarms.standing == {}


async def test_bytes_with_too_little_gas_for_now_are_signed_anew_with_more(rig: Rig) -> None:
    """On a rollup a call's gas follows the price of its data: bytes that waited may have too little of it."""
    sending = await at_work(rig, None, 1, 2)
    signed = row_of(rig).gas
    rig.node.pool.clear()
    rig.node.gas = 3 * signed
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert [row_of(rig, nonce).gas for nonce in (0, 1)] == [3 * signed * 12 // 10] * 2
    assert rig.node.pool == {nonce: row_of(rig, nonce).signed.hash for nonce in (0, 1)}
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert [len(row_of(rig, nonce).earlier) for nonce in (0, 1)] == [1, 1], "once"
    await ended(rig, sending)
    assert rig.states() == [(0, CallState.CONFIRMED), (1, CallState.CONFIRMED)]
    assert rig.alarms.standing == {}


async def test_a_nonce_is_used_with_enough_gas_also_when_the_contract_has_the_call_by_now(rig: Rig) -> None:
    sending = await at_work(rig, None, 1, 2)
    data, gas = row_of(rig).data, row_of(rig).gas
    rig.node.pool.clear()
    rig.node.gas = 2 * gas
    rig.node.refuses[data] = refusal("CoprocessorAlreadyAdded")
    rig.node.reverts.add(data)
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert row_of(rig).gas == 2 * gas
    rig.node.gas = 10**18  # a node that takes nothing: more and more gas would not help either
    rig.node.pool.clear()
    await rig.clock.advance(60 * LOOK_AGAIN_S)
    assert row_of(rig).gas == GAS_MAX
    rig.node.gas = gas
    await ended(rig, sending)
    assert rig.states() == [(0, CallState.REVERTED), (1, CallState.CONFIRMED)]


async def test_gas_that_no_estimate_explains_is_an_alarm_and_not_a_race_of_fees(rig: Rig) -> None:
    rig.node.says = "exceeds block gas limit"
    sending = await at_work(rig)
    await rig.clock.advance(10 * LOOK_AGAIN_S)
    assert rig.alarms.standing == {Alarm.NODE_REFUSES: "nonce 0: exceeds block gas limit"}
    rig.node.estimates[row_of(rig).data] = RpcRefused("eth_estimateGas", -32000, "try later")
    await rig.clock.advance(2 * LOOK_AGAIN_S)
    assert row_of(rig).earlier == ()
    rig.node.says = ""
    await ended(rig, sending)


async def test_a_gap_is_filled_also_where_the_sender_has_code_that_refuses(rig: Rig) -> None:
    rig.node.pool[0] = FOREIGN
    sending = await at_work(rig)
    del rig.node.pool[0]
    rig.node.refuses[b"cipherstream fills nonce 0"] = refusal("EnforcedPause")
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    assert row_of(rig, 0).item == FILLER
    await ended(rig, sending)
    assert rig.data(commit_of(1)) in rig.node.made
