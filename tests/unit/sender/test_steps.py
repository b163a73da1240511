"""Each call is made once: under kills, reorganisations, foreign nonces, refusals, and two senders at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fake_gateway import PRICE, FakeGateway, refusal

from streams.adapters.ethereum.signer import Signer
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.sender_store import MemorySenderStore, SenderTable
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.errors import ConfigurationError, Recoverable, StoreError
from streams.domain.results import Result, Sent
from streams.domain.transactions import CallState
from streams.domain.work import AddMaterial, SendWork
from streams.services.sender.encode import Encoder
from streams.services.sender.lease import AddressTaken
from streams.services.sender.metrics import SenderMetrics
from streams.services.sender.reverts import CallRefused
from streams.services.sender.steps import Sender
from streams.services.sender.watch import LOOK_AGAIN_S, REPLACE_S, NotMined
from streams.settings import GatewaySettings

KEY, VOTES = Signer(bytes(31) + b"\1"), Signer(bytes(31) + b"\2")
KillAt = Callable[[str], type[BaseException]]
POINTS = ("started", "decided", "committed", "broadcast", "receipt", "settled", "resulted")


def commit_of(number: int, timeout_s: float = 60.0) -> SendWork:
    call = AddMaterial(
        handle=number.to_bytes(32, "big"), key_id=bytes(32), ct64_digest=b"\4" * 32, ct128_digest=b"\5" * 32
    )
    return SendWork(item=f"item{number}", tenant="ours", attempt=1, timeout_s=timeout_s, call=call)


class Rig:
    """A gateway and a table that outlive the senders."""

    def __init__(self, confirmations: int = 0) -> None:
        self.table = SenderTable()
        self.node = FakeGateway(self.table)
        self.clock = FakeClock()
        self.results: list[Result] = []
        self.settings = GatewaySettings(
            confirmations=confirmations,
            input_verification_address="0x" + "aa" * 20,
            ciphertext_commits_address="0x" + "bb" * 20,
        )
        self.encoder = Encoder(self.settings, VOTES)
        self.store = MemorySenderStore(self.table)

    def sender(self, store: MemorySenderStore | None = None) -> Sender:
        metrics = SenderMetrics(Metrics())
        store = store or self.store
        return Sender(store, self.node, KEY, self.encoder, self.settings, self.clock, metrics, "w")

    async def restart(self) -> Sender:
        await self.store.close()
        self.store = MemorySenderStore(self.table)
        return self.sender()

    async def finish(self, *work: Coroutine[Any, Any, None]) -> list[None]:
        """Run to the end while time passes."""
        tasks = asyncio.gather(*work)
        while not tasks.done():
            await self.clock.advance(0.1)
        return await tasks

    async def send(self, sender: Sender, *works: SendWork) -> list[Sent]:
        before = len(self.results)
        await self.finish(*(sender.execute(work, self.emit) for work in works))
        return [result for result in self.results[before:] if isinstance(result, Sent)]

    async def emit(self, result: Result) -> None:
        self.results.append(result)

    def data(self, work: SendWork) -> bytes:
        return self.encoder.target(work.call).data

    def states(self) -> list[tuple[int, CallState]]:
        return [(nonce, row.state) for (_, nonce), row in sorted(self.table.rows.items())]


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


async def test_fees_that_are_too_low_are_raised_for_the_same_nonce_and_call(rig: Rig) -> None:
    rig.node.minimum_fee = 3 * PRICE + 1
    (sent,) = await rig.send(rig.sender(), commit_of(1))
    row = rig.table.rows[KEY.address, 0]
    assert rig.states() == [(0, CallState.CONFIRMED)]
    assert row.signed.max_fee >= 3 * PRICE * 110 // 100
    assert sent.transaction_hash == row.signed.hash
    assert len(row.earlier) == 1


async def test_a_call_that_is_first_in_line_and_not_mined_is_replaced(rig: Rig) -> None:
    rig.node.is_mining = False
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(REPLACE_S + LOOK_AGAIN_S)
    rig.node.mine()
    await rig.clock.advance(1)
    await sending
    row = rig.table.rows[KEY.address, 0]
    assert (row.nonce, row.state, len(row.earlier)) == (0, CallState.CONFIRMED, 1)
    assert rig.node.made == [row.data]


async def test_the_replaced_version_may_be_the_one_that_is_mined(rig: Rig) -> None:
    rig.node.is_mining = False
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(REPLACE_S + LOOK_AGAIN_S)
    row = rig.table.rows[KEY.address, 0]
    rig.node.pool[0] = row.earlier[0]
    rig.node.mine()
    await rig.clock.advance(1)
    (sent,) = await sending
    assert sent.transaction_hash == row.earlier[0]


async def test_a_nonce_that_a_foreign_transaction_used_is_lost_and_the_call_signed_anew(rig: Rig) -> None:
    rig.node.is_mining = False
    sending = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    rig.node.use_next_nonce()
    rig.node.is_mining = True
    await rig.clock.advance(5 * LOOK_AGAIN_S)
    await sending
    assert rig.states() == [(0, CallState.LOST), (1, CallState.CONFIRMED)]
    assert len(rig.node.made) == 1


async def test_a_call_that_is_not_mined_in_time_is_recoverable_and_goes_on(rig: Rig) -> None:
    rig.node.is_mining = False
    sender = rig.sender()
    with pytest.raises(NotMined):
        await rig.send(sender, commit_of(1, timeout_s=5))
    rig.node.mine()
    (sent,) = await rig.send(sender, commit_of(1))
    assert sent.transaction_hash in rig.node.broadcasts
    assert rig.states() == [(0, CallState.CONFIRMED)]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("NotCoprocessorTxSender", ConfigurationError),
        ("NotCoprocessorSigner", ConfigurationError),
        ("CoprocessorSignerDoesNotMatchTxSender", ConfigurationError),
        ("VerifyProofNotRequested", CallRefused),
        ("HostChainNotRegistered", CallRefused),
        ("HostChainDisabled", CallRefused),
    ],
)
async def test_refusals_by_their_meaning(rig: Rig, name: str, error: type[Exception]) -> None:
    rig.node.refuses[rig.data(commit_of(1))] = refusal(name)
    with pytest.raises(error):
        await rig.send(rig.sender(), commit_of(1))
    assert rig.states() == []


async def test_an_answer_whose_request_comes_back_with_its_branch_is_made(rig: Rig) -> None:
    rig.node.refuses[rig.data(commit_of(1))] = refusal("VerifyProofNotRequested")
    sender = rig.sender()
    with pytest.raises(Recoverable):
        await rig.send(sender, commit_of(1))
    rig.node.refuses.clear()
    (sent,) = await rig.send(sender, commit_of(1))
    assert not sent.already


@pytest.mark.parametrize("name", ["CoprocessorAlreadyVerified", "CoprocessorAlreadyRejected"])
async def test_a_vote_that_is_there_already_is_done(rig: Rig, name: str) -> None:
    rig.node.refuses[rig.data(commit_of(1))] = refusal(name)
    (sent,) = await rig.send(rig.sender(), commit_of(1))
    assert sent.already


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


async def test_a_database_that_stays_away_makes_the_attempt_recoverable(rig: Rig) -> None:
    rig.store.failures = 10_000
    with pytest.raises(StoreError):
        await rig.send(rig.sender(), commit_of(1, timeout_s=2))
    assert rig.node.broadcasts == []


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


async def test_a_second_sender_gives_up_in_time_while_the_first_is_busy(rig: Rig) -> None:
    rig.node.is_mining = False
    first = asyncio.create_task(rig.send(rig.sender(), commit_of(1)))
    await rig.clock.advance(1)
    with pytest.raises(AddressTaken):
        await rig.send(rig.sender(MemorySenderStore(rig.table)), commit_of(2, timeout_s=3))
    rig.node.mine()
    await rig.clock.advance(1)
    await first


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
