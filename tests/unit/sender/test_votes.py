"""A rejection names its request by number alone: it never hits another request that has the number by now."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec
import pytest
from fake_gateway import refusal
from sender_rig import KEY, Rig, commit_of, looking, rejection_of

from streams.adapters.ethereum.errors import RpcRefused
from streams.domain.events import VerifyProofRequest
from streams.domain.lifecycle import ProofState
from streams.domain.requests import item_that_answers, response_item
from streams.domain.results import Sent
from streams.domain.rows import ProofRow
from streams.domain.transactions import FILLER, CallState
from streams.domain.work import SendWork
from streams.services.sender.alarms import Alarm
from streams.services.sender.doubts import DOUBT_MAX_S
from streams.services.sender.idle import LOOK_S
from streams.services.sender.line import LOOK_AGAIN_S
from streams.services.sender.reverts import CallRefused
from streams.services.sender.watch import CallWithdrawn

JUDGED = VerifyProofRequest(
    zk_proof_id=7,
    contract_chain_id=1,
    contract=b"\1" * 20,
    user=b"\2" * 20,
    ciphertext=b"no proof",
    extra_data=b"\0",
)
ANOTHER = msgspec.structs.replace(JUDGED, user=b"\3" * 20)
WORK = msgspec.structs.replace(rejection_of(7), item=item_that_answers("ours", JUDGED))


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    rig = Rig()
    rig.node.requests[7] = JUDGED
    yield rig
    await rig.store.close()


def rejected(rig: Rig, work: SendWork = WORK) -> int:
    return rig.node.made.count(rig.data(work))


async def waiting(rig: Rig, *, is_settled: bool = False) -> asyncio.Task[list[Sent]]:
    """The vote is signed and not mined, or a reorganisation took it; no node has it."""
    rig.node.is_mining = is_settled
    first = asyncio.create_task(rig.send(rig.sender(), WORK))
    await rig.clock.advance(1)
    if is_settled:
        await first
        rig.node.is_mining = False
        rig.node.forget(1)
    rig.node.pool.clear()
    return first


def free(rig: Rig, shown: VerifyProofRequest | None = None) -> None:
    """A branch on which the number is nobody's, or another's."""
    rig.node.requests.clear()
    if shown is not None:
        rig.node.requests[7] = shown
    rig.node.refuses[rig.data(WORK)] = refusal("VerifyProofNotRequested")


async def look_on(rig: Rig, times: int = 1) -> None:
    """A block without us, and a look."""
    for _ in range(times):
        rig.node.chain.append([])
        await rig.clock.advance(LOOK_AGAIN_S + 0.5)


async def look(rig: Rig, times: int = 1) -> None:
    async with looking(await rig.restart()):
        await rig.clock.advance(times * LOOK_S + 1)


def test_the_item_of_an_answer_follows_from_the_event_as_from_the_row() -> None:
    row = ProofRow(
        tenant="ours",
        zk_proof_id=7,
        range_end=1,
        block_number=1,
        transaction_id=bytes(32),
        chain_id=1,
        contract_address=JUDGED.contract,
        user_address=JUDGED.user,
        input=JUDGED.ciphertext,
        extra_data=JUDGED.extra_data,
        state=ProofState.REQUESTED,
    )
    assert item_that_answers("ours", JUDGED) == response_item(row)
    assert item_that_answers("theirs", JUDGED) != response_item(row)
    assert item_that_answers("ours", ANOTHER) != response_item(row)


async def test_the_request_that_was_judged_is_rejected(rig: Rig) -> None:
    await rig.send(rig.sender(), WORK)
    assert rejected(rig) == 1


async def test_another_request_of_the_number_is_not_and_no_nonce_is_taken(rig: Rig) -> None:
    rig.node.requests[7] = ANOTHER
    with pytest.raises(CallRefused, match="its request is another one"):
        await rig.send(rig.sender(), WORK)
    assert rig.states() == []
    assert not rig.table.refusals, "it may come back with its branch"


async def test_a_rejection_that_a_reorganisation_took_is_sent_again_to_the_same_request(rig: Rig) -> None:
    await rig.send(rig.sender(), WORK)
    signed = rig.table.rows[KEY.address, 0].signed
    rig.node.forget(1)
    await look(rig, 2)
    assert rejected(rig) == 1
    assert rig.table.rows[KEY.address, 0].signed == signed


async def test_its_nonce_goes_to_an_empty_transaction_where_the_number_is_anothers(rig: Rig) -> None:
    await rig.send(rig.sender(), WORK, commit_of(1))
    rig.node.forget(len(rig.node.chain) - 1)
    rig.node.requests[7] = ANOTHER
    await look(rig, 2)
    assert rejected(rig) == 0
    assert rig.data(commit_of(1)) in rig.node.made
    assert rig.table.rows[KEY.address, 0].item == FILLER


@pytest.mark.parametrize("is_settled", [False, True])
async def test_a_number_that_nobody_is_given_is_not_waited_for_without_end(
    rig: Rig, is_settled: bool
) -> None:
    """Whoever gets the number next would be rejected by bytes that a node has kept."""
    first = await waiting(rig, is_settled=is_settled)
    free(rig)
    async with rig.sending(commit_of(1)) as behind:
        await rig.clock.advance(DOUBT_MAX_S - LOOK_AGAIN_S)
        assert rig.table.rows[KEY.address, 0].item == WORK.item
        assert rig.node.pool.keys() <= {1}, "held back meanwhile"
        await rig.clock.advance(4 * LOOK_AGAIN_S)
        if not is_settled:
            with pytest.raises(CallWithdrawn):
                await first
        assert rig.table.rows[KEY.address, 0].item == FILLER
        rig.node.is_mining = True
        rig.node.mine()
        await rig.clock.advance(1)
        await behind
    assert rejected(rig) == 0
    assert rig.data(commit_of(1)) in rig.node.made


async def test_a_number_that_its_request_gets_again_soon_is_rejected_with_the_same_bytes(rig: Rig) -> None:
    """What a reorganisation takes comes into the next blocks most often, and in the same order."""
    first = await waiting(rig)
    signed = rig.table.rows[KEY.address, 0].signed
    free(rig)
    await look_on(rig, 8)
    assert rig.node.pool == {}
    rig.node.requests[7] = JUDGED
    await look_on(rig)
    assert rig.table.rows[KEY.address, 0].signed == signed
    assert rig.node.pool == {0: signed.hash}
    rig.node.mine()
    await rig.clock.advance(1)
    await first
    assert rejected(rig) == 1


async def test_a_number_that_nobody_had_goes_to_an_empty_transaction_when_another_gets_it(rig: Rig) -> None:
    first = await waiting(rig)
    free(rig)
    await look_on(rig)
    rig.node.requests[7] = ANOTHER
    await look_on(rig)
    assert rig.table.rows[KEY.address, 0].item == FILLER
    with pytest.raises(CallWithdrawn):
        await first


@pytest.mark.parametrize("shown", [None, ANOTHER], ids=["no request yet", "the branch before"])
async def test_one_look_at_a_node_that_lags_behind_withdraws_no_vote(
    rig: Rig, shown: VerifyProofRequest | None
) -> None:
    first = await waiting(rig)
    free(rig, shown)
    await look_on(rig)
    rig.node.requests[7] = JUDGED
    await look_on(rig)
    free(rig, shown)
    await look_on(rig)
    rig.node.requests[7] = JUDGED
    await look_on(rig)
    rig.node.mine()
    await rig.clock.advance(1)
    await first
    assert rejected(rig) == 1


async def test_a_second_look_at_the_same_block_is_no_second_look(rig: Rig) -> None:
    first = await waiting(rig)
    free(rig, ANOTHER)
    await rig.clock.advance(4 * LOOK_AGAIN_S)
    assert rig.table.rows[KEY.address, 0].item == WORK.item
    await look_on(rig)
    assert rig.table.rows[KEY.address, 0].item == FILLER
    with pytest.raises(CallWithdrawn):
        await first


@pytest.mark.parametrize("shown", [None, ANOTHER], ids=["no request yet", "the branch before"])
async def test_a_vote_that_was_made_is_not_withdrawn_by_looks_at_a_node_that_lags_behind(
    rig: Rig, shown: VerifyProofRequest | None
) -> None:
    """It shows neither the vote nor its request, and nobody would ask for either again."""
    await rig.send(rig.sender(), WORK)
    made, chain = rig.table.rows[KEY.address, 0], rig.node.chain
    rig.node.is_mining = False
    async with looking(await rig.restart()):
        await rig.clock.advance(LOOK_S + 1)
        for blocks in (1, 2):
            rig.node.chain = [[] for _ in range(blocks)]
            free(rig, shown)
            await rig.clock.advance(LOOK_S)
            rig.node.chain = chain
            rig.node.requests[7] = JUDGED
            rig.node.pool.clear()
            await rig.clock.advance(LOOK_S)
    assert rig.table.rows[KEY.address, 0] == made


async def test_a_vote_that_was_made_and_withdrawn_is_made_when_its_request_comes_back(rig: Rig) -> None:
    """Withdrawn by a call behind it, before anybody looked for what a reorganisation took."""
    sender = rig.sender()
    await rig.send(sender, WORK)
    rig.node.is_mining = False
    rig.node.forget(1)
    free(rig, ANOTHER)
    behind = asyncio.create_task(rig.send(sender, commit_of(1)))
    await look_on(rig, 3)
    assert rig.table.rows[KEY.address, 0].item == FILLER
    rig.node.is_mining = True
    rig.node.mine()
    await rig.clock.advance(1)
    await behind
    async with looking(sender):
        await rig.clock.advance(LOOK_S)
        assert rejected(rig) == 0
        rig.node.refuses.clear()
        rig.node.requests[7] = JUDGED
        await rig.clock.advance(LOOK_S)
    assert rejected(rig) == 1
    assert rig.table.rows[KEY.address, 2].item == WORK.item


async def test_the_bytes_that_a_node_kept_are_outbid(rig: Rig) -> None:
    await rig.send(rig.sender(), WORK)
    old = rig.table.rows[KEY.address, 0].signed
    rig.node.is_mining = False
    rig.node.forget(1)
    rig.node.pool[0] = old.hash
    rig.node.requests[7] = ANOTHER
    async with looking(await rig.restart()):
        await rig.clock.advance(LOOK_S + 1)
        rig.node.chain.append([])
        await rig.clock.advance(LOOK_AGAIN_S)
    assert rig.node.pool[0] == rig.table.rows[KEY.address, 0].signed.hash != old.hash
    assert rig.table.rows[KEY.address, 0].earlier == (old.hash,)


async def test_a_request_that_comes_back_is_rejected_under_another_nonce(rig: Rig) -> None:
    await rig.send(rig.sender(), WORK)
    async with looking(rig.sender()):
        await rig.clock.advance(LOOK_S + 1)
        rig.node.forget(1)
        rig.node.foreign += 1
        rig.node.mine(empty=2)
        rig.node.requests[7] = ANOTHER
        await rig.clock.advance(2 * LOOK_S)
        assert rejected(rig) == 0
        rig.node.requests[7] = JUDGED
        await rig.clock.advance(LOOK_S)
    assert rejected(rig) == 1
    assert rig.states()[-1] == (1, CallState.CONFIRMED)


async def test_a_rejection_of_the_new_request_is_not_answered_from_the_old_ones_row(rig: Rig) -> None:
    sender = rig.sender()
    await rig.send(sender, WORK)
    rig.node.forget(1)
    rig.node.foreign += 1
    rig.node.mine(empty=2)
    rig.node.requests[7] = ANOTHER
    await rig.send(sender, msgspec.structs.replace(WORK, item=item_that_answers("ours", ANOTHER)))
    assert rejected(rig) == 1


@pytest.mark.parametrize("range_max", [1, 3, 8])
async def test_a_node_with_a_bound_for_ranges_is_asked_for_less_at_once(rig: Rig, range_max: int) -> None:
    rig.node.mine(empty=20)
    rig.node.range_max = range_max
    await rig.send(rig.sender(), WORK)
    assert rejected(rig) == 1
    rig.node.requests[8] = ANOTHER
    work = msgspec.structs.replace(rejection_of(8), item=item_that_answers("ours", JUDGED))
    with pytest.raises(CallRefused, match="its request is another one"):
        await rig.send(rig.sender(), work)


async def test_a_node_that_does_not_tell_requests_is_an_alarm_and_the_rejection_waits(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise RpcRefused("eth_getLogs", -32000, "block range is too wide")

    with monkeypatch.context() as changed:
        changed.setattr(rig.node, "logs_since", refuse)
        async with rig.sending(WORK) as sending:
            await rig.clock.advance(10)
            assert rig.alarms.standing == {Alarm.NODE_REFUSES: "block range is too wide"}
            changed.undo()
            await rig.clock.advance(20)
            await sending
    assert rejected(rig) == 1
