"""Each call is made once: under kills, reorganisations, foreign nonces, refusals, and two senders at once."""

import asyncio
from collections.abc import Callable

import pytest
from fake_gateway import PRICE, refusal
from sender_rig import KEY, Rig, commit_of, looking

from streams.adapters.memory.sender_store import MemorySenderStore
from streams.domain.errors import Fenced, Recoverable
from streams.domain.transactions import CallState, StoredCall
from streams.services.sender.idle import LOOK_S
from streams.services.sender.line import LOOK_AGAIN_S
from streams.services.sender.reverts import CallRefused

KillAt = Callable[[str], type[BaseException]]
POINTS = ("started", "decided", "committed", "broadcast", "receipt", "settled", "resulted")


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_call_is_mined_and_its_result_names_the_transaction(rig: Rig) -> None:
    (sent,) = await rig.send(rig.sender(), commit_of(1))
    row = rig.table.rows[KEY.address, 0]
    assert (sent.item, sent.transaction_hash, sent.block_number) == ("item1", row.signed.hash, 1)
    assert not sent.already
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_many_calls_take_consecutive_nonces_at_once(rig: Rig) -> None:
    rig.node.is_mining = False
    works = [commit_of(i) for i in range(16)]
    sending = asyncio.create_task(rig.send(rig.sender(), *works))
    await rig.clock.advance(0.1)
    assert len(rig.node.pool) == 16
    rig.node.mine()
    assert len(await sending) == 16
    assert rig.states() == [(nonce, CallState.CONFIRMED) for nonce in range(16)]


async def test_nonces_are_taken_in_the_order_of_the_items(rig: Rig) -> None:
    works = [commit_of(number) for number in range(4)]
    first = rig.node.slow[rig.data(works[0])] = asyncio.Event()
    sending = asyncio.create_task(rig.send(rig.sender(), *works))
    await rig.clock.advance(1)
    assert rig.states() == [], "the others wait for the first"
    first.set()
    await sending
    assert rig.node.made == [rig.data(work) for work in works]


async def test_a_refused_call_holds_up_nobody(rig: Rig) -> None:
    works = [commit_of(number) for number in range(3)]
    rig.node.refuses[rig.data(works[0])] = refusal("HostChainDisabled")
    sender = rig.sender()
    refused = asyncio.create_task(rig.send(sender, works[0]))
    await rig.send(sender, *works[1:])
    with pytest.raises(CallRefused):
        await refused
    assert rig.node.made == [rig.data(work) for work in works[1:]]


async def test_the_second_of_two_equal_calls_holds_up_nobody(rig: Rig) -> None:
    rig.node.is_mining = False
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1), commit_of(1), commit_of(2)))
    await rig.clock.advance(1)
    assert [nonce for nonce, _ in rig.states()] == [0, 1]
    rig.node.mine()
    assert len(await sending) == 3


async def test_a_call_is_not_sent_before_so_many_blocks_are_above_it() -> None:
    rig = Rig(confirmations=3)
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(5)
    assert rig.results == []
    rig.node.mine(empty=2)
    await sending
    assert len(rig.results) == 1


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_after_any_step_makes_the_call_once(rig: Rig, kill_at: KillAt, point: str) -> None:
    work = commit_of(7)
    killed = kill_at(f"sender.{point}")
    with pytest.raises(killed):
        await rig.send(rig.sender(), work)
    (sent,) = await rig.send(await rig.restart(), work)
    assert rig.node.made == [rig.data(work)]
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert sent.transaction_hash == rig.table.rows[KEY.address, 0].signed.hash
    assert len(set(rig.node.broadcasts)) == 1, "always the same bytes"


@pytest.mark.parametrize("point", ["committed", "broadcast"])
async def test_calls_behind_a_killed_one_are_not_stuck(rig: Rig, kill_at: KillAt, point: str) -> None:
    killed = kill_at(f"sender.{point}")
    with pytest.raises(killed):
        await rig.send(rig.sender(), commit_of(1))
    await rig.send(await rig.restart(), commit_of(2))
    assert sorted(rig.node.made) == sorted(rig.data(commit_of(i)) for i in (1, 2))
    assert [nonce for nonce, _ in rig.states()] == [0, 1]


async def test_the_same_work_again_is_answered_from_the_table(rig: Rig) -> None:
    sender = rig.sender()
    (first,) = await rig.send(sender, commit_of(1))
    (second,) = await rig.send(sender, commit_of(1))
    assert first == second
    assert len(rig.node.broadcasts) == 1


async def test_the_same_work_twice_at_once_is_one_transaction(rig: Rig) -> None:
    assert len(await rig.send(rig.sender(), commit_of(1), commit_of(1))) == 2
    assert len(rig.node.made) == 1


async def test_a_call_that_somebody_made_before_needs_no_transaction(rig: Rig) -> None:
    rig.node.made.append(rig.data(commit_of(1)))
    (sent,) = await rig.send(rig.sender(), commit_of(1))
    assert sent.already
    assert rig.states() == []


async def test_a_transaction_that_a_reorganisation_dropped_is_sent_again() -> None:
    rig = Rig(confirmations=2)
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    rig.node.forget(1)
    await rig.clock.advance(LOOK_AGAIN_S + 1)
    rig.node.mine(empty=3)
    await rig.clock.advance(1)
    (sent,) = await sending
    assert rig.node.made == [rig.data(commit_of(1))]
    assert len(set(rig.node.broadcasts)) == 1
    assert sent.block_number == 1


async def test_confirmed_transactions_that_vanish_are_sent_again_before_the_next_one(rig: Rig) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1))
    rig.node.forget(1)
    await rig.send(sender, commit_of(2))
    assert rig.node.made == [rig.data(commit_of(1)), rig.data(commit_of(2))]
    assert [nonce for nonce, _ in rig.states()] == [0, 1]


async def test_an_idle_sender_sends_again_what_a_reorganisation_took(rig: Rig) -> None:
    sender = rig.sender()
    await rig.send(sender, commit_of(1), commit_of(2))
    rig.node.forget(len(rig.node.chain) - 1)
    async with looking(sender):
        rig.node.failures = 1
        await rig.clock.advance(LOOK_S + 1)
        assert rig.node.made == [], "the node was away"
        await rig.clock.advance(LOOK_S + 1)
        assert rig.node.made == [rig.data(commit_of(1)), rig.data(commit_of(2))]
        assert len(rig.table.rows) == 2
        before = len(rig.node.broadcasts)
        await rig.clock.advance(3 * LOOK_S)
    assert len(rig.node.broadcasts) == before


async def test_an_idle_sender_leaves_the_line_to_whoever_has_the_address(rig: Rig) -> None:
    await rig.send(rig.sender(), commit_of(1))
    rig.node.forget(1)
    other = MemorySenderStore(rig.table)
    assert await other.acquire(KEY.address) is not None
    async with looking(rig.sender()):
        await rig.clock.advance(LOOK_S + 1)
        assert rig.node.made == []
        await other.close()
        await rig.clock.advance(LOOK_S + 1)
    assert rig.node.made == [rig.data(commit_of(1))]


async def test_an_idle_sender_outlives_another_holder_in_the_middle_of_its_look(rig: Rig) -> None:
    store = _Fenced(rig.table)
    await rig.send(rig.sender(store), commit_of(1))
    rig.node.forget(1)
    await store.close()
    store.is_fenced = True
    async with looking(rig.sender(store)) as idle:
        await rig.clock.advance(LOOK_S + 1)
        assert not idle.done()
        store.is_fenced = False
        await rig.clock.advance(LOOK_S + 1)
    assert rig.node.made == [rig.data(commit_of(1))]


class _Fenced(MemorySenderStore):
    """A store that somebody else may take over at once."""

    is_fenced = False

    async def signed(self, address: bytes) -> list[StoredCall]:
        if self.is_fenced:
            raise Fenced("another sender has this address")
        return await super().signed(address)


async def test_fees_that_are_too_low_are_raised_for_the_same_nonce_and_call(rig: Rig) -> None:
    rig.node.minimum_fee = 3 * PRICE + 1
    (sent,) = await rig.send(rig.sender(), commit_of(1))
    row = rig.table.rows[KEY.address, 0]
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert row.signed.max_fee >= 3 * PRICE * 110 // 100
    assert sent.transaction_hash == row.signed.hash
    assert len(row.earlier) == 1


async def test_a_call_that_is_not_mined_for_long_stays_in_our_hands(rig: Rig) -> None:
    rig.node.is_mining = False
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(300)
    assert not sending.done()
    rig.node.mine()
    await rig.clock.advance(1)
    (sent,) = await sending
    assert sent.transaction_hash in rig.node.broadcasts
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_an_answer_whose_request_comes_back_with_its_branch_is_made(rig: Rig) -> None:
    rig.node.refuses[rig.data(commit_of(1))] = refusal("VerifyProofNotRequested")
    sender = rig.sender()
    with pytest.raises(Recoverable):
        await rig.send(sender, commit_of(1))
    rig.node.refuses.clear()
    (sent,) = await rig.send(sender, commit_of(1))
    assert not sent.already


async def test_a_call_that_was_mined_and_refused_ends_by_what_the_contract_says_now(rig: Rig) -> None:
    data = rig.data(commit_of(1))
    rig.node.reverts.add(data)
    with pytest.raises(CallRefused):
        await rig.send(rig.sender(), commit_of(1))
    assert rig.states() == [(0, CallState.REVERTED)]
    rig.node.reverts.clear()
    await rig.send(rig.sender(), commit_of(1))
    assert rig.states() == [(0, CallState.REVERTED), (1, CallState.CONFIRMED)]


async def test_a_node_and_a_database_that_are_away_are_waited_for(rig: Rig) -> None:
    rig.node.failures = 3
    rig.store.failures = 2
    await rig.send(rig.sender(), commit_of(1))
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_a_database_that_stays_away_is_waited_for(rig: Rig) -> None:
    rig.store.failures = 10_000
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(600)
    assert not sending.done()
    assert rig.node.broadcasts == []
    rig.store.failures = 0
    await rig.clock.advance(20)
    await sending
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_a_second_sender_waits_until_the_first_has_nothing_in_its_hands(rig: Rig) -> None:
    rig.node.is_mining = False
    first = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    other = MemorySenderStore(rig.table)
    second = asyncio.create_task(rig.send(rig.sender(other), commit_of(1)))
    await rig.clock.advance(1)
    assert len(set(rig.node.broadcasts)) == 1
    rig.node.mine()
    await rig.clock.advance(2)
    assert (await first)[0].transaction_hash == (await second)[0].transaction_hash
    assert len(rig.node.made) == 1


async def test_a_second_sender_signs_nothing_while_the_first_is_busy_however_long(rig: Rig) -> None:
    rig.node.is_mining = False
    first = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    second = asyncio.create_task(rig.send(rig.sender(MemorySenderStore(rig.table)), commit_of(2)))
    await rig.clock.advance(200)
    assert rig.states() == [(0, CallState.SIGNED)]
    rig.node.is_mining = True
    rig.node.mine()
    await rig.clock.advance(2)
    await first
    await second
    assert rig.states() == [(0, CallState.CONFIRMED), (1, CallState.CONFIRMED)]


async def test_a_sender_that_lost_its_lock_writes_nothing_more(rig: Rig) -> None:
    rig.node.is_mining = False
    zombie = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    rig.table.holders.clear()  # its connection is gone, and it does not know
    rig.node.is_mining = True
    await rig.send(rig.sender(MemorySenderStore(rig.table)), commit_of(2))
    await rig.clock.advance(2)
    await zombie
    assert rig.states() == [(0, CallState.CONFIRMED), (1, CallState.CONFIRMED)]
    assert len(rig.node.made) == 2
