"""What a refusal does to the call: each row of the table, the limits, and what a node says instead."""

import msgspec
import pytest
from fake_gateway import refusal
from sender_rig import KEY, Rig, commit_of, rejection_of
from structlog.testing import capture_logs

from streams.adapters.ethereum.errors import BlockUnknown, RpcRefused
from streams.domain.errors import CipherstreamError, ConfigurationError
from streams.domain.refusals import REFUSALS, Reaction, Refusal
from streams.domain.transactions import CallState
from streams.domain.work import RejectResponse, SendWork
from streams.services.sender.alarms import Alarm
from streams.services.sender.reverts import CallGivenUp, CallRefused
from streams.settings import SenderSettings

RAISED = {
    Reaction.RETRY_UNLIMITED: CallRefused,
    Reaction.RETRY_LIMITED: CallRefused,
    Reaction.FATAL: ConfigurationError,
}
NAMES = [refused.name for refused in REFUSALS]


@pytest.fixture
def rig() -> Rig:
    return Rig(sender=SenderSettings(verify_proof_retries_max=3))


@pytest.mark.parametrize("row", REFUSALS, ids=NAMES)
@pytest.mark.parametrize("work", [commit_of(1), rejection_of(1)], ids=["commit", "vote"])
async def test_each_row_of_the_table(row: Refusal, work: SendWork) -> None:
    rig = Rig()
    rig.node.refuses[rig.data(work)] = refusal(row.name)
    if row.reaction is Reaction.DONE:
        (result,) = await rig.send(rig.sender(), work)
        assert result.already
    else:
        with pytest.raises(RAISED[row.reaction], match=row.name):
            await rig.send(rig.sender(), work)
    assert rig.states() == [], "a refusal takes no nonce"
    assert bool(rig.table.refusals) == (row.reaction is Reaction.RETRY_LIMITED)


@pytest.mark.parametrize(
    ("name", "is_opposite"), [("CoprocessorAlreadyVerified", True), ("CoprocessorAlreadyRejected", False)]
)
async def test_a_vote_that_is_the_opposite_of_ours_is_told(rig: Rig, name: str, is_opposite: bool) -> None:
    rig.node.refuses[rig.data(rejection_of(1))] = refusal(name)
    with capture_logs() as logs:
        await rig.send(rig.sender(), rejection_of(1))
    assert any(line.get("action") == "opposite_vote" for line in logs) is is_opposite


async def refused_so_often(rig: Rig, work: SendWork, times: int) -> list[type[CipherstreamError]]:
    ends: list[type[CipherstreamError]] = []
    for _ in range(times):
        with pytest.raises(CipherstreamError) as error:
            await rig.send(rig.sender(), work)
        ends.append(error.type)
    return ends


async def test_a_vote_is_given_up_at_the_limit_of_its_kind(rig: Rig) -> None:
    rig.node.refuses[rig.data(rejection_of(1))] = refusal("HostChainDisabled")
    assert await refused_so_often(rig, rejection_of(1), 3) == [CallRefused, CallRefused, CallGivenUp]
    ((count, last),) = rig.table.refusals.values()
    assert (count, last.item, last.error) == (3, "vote1", "HostChainDisabled()")


async def test_refusals_are_counted_over_restarts(rig: Rig) -> None:
    rig.node.refuses[rig.data(rejection_of(1))] = refusal("HostChainDisabled")
    assert await refused_so_often(rig, rejection_of(1), 2) == [CallRefused, CallRefused]
    sender = await rig.restart()
    with pytest.raises(CallGivenUp, match="refused 3 times, at last: HostChainDisabled"):
        await rig.send(sender, rejection_of(1))


async def test_a_commit_has_a_limit_of_its_own(rig: Rig) -> None:
    rig.node.refuses[rig.data(commit_of(1))] = refusal("HostChainDisabled")
    assert await refused_so_often(rig, commit_of(1), 5) == [CallRefused] * 5


async def test_what_is_not_limited_is_not_counted(rig: Rig) -> None:
    rig.node.refuses[rig.data(rejection_of(1))] = refusal("EnforcedPause")
    assert await refused_so_often(rig, rejection_of(1), 5) == [CallRefused] * 5
    rig.node.refuses.clear()
    await rig.send(rig.sender(), rejection_of(1))
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_a_call_that_does_not_fit_into_a_block_counts_as_refused(rig: Rig) -> None:
    words = "gas required exceeds allowance (30000000)"
    rig.node.estimates[rig.data(rejection_of(1))] = RpcRefused("eth_estimateGas", -32000, words)
    assert await refused_so_often(rig, rejection_of(1), 3) == [CallRefused, CallRefused, CallGivenUp]


async def test_a_call_that_ran_out_of_gas_says_which_setting_helps(rig: Rig) -> None:
    rig.node.reverts.add(rig.data(rejection_of(1)))
    rig.node.gas_used = 10**9
    with pytest.raises(CallRefused, match=r"raise sender\.gas_percent"):
        await rig.send(rig.sender(), rejection_of(1))
    assert rig.states() == [(0, CallState.REVERTED)]


@pytest.mark.parametrize(
    ("words", "alarm"),
    [
        ("insufficient funds for gas * price + value", Alarm.NO_FUNDS),
        ("the method eth_estimateGas is not available", Alarm.NODE_REFUSES),
    ],
)
async def test_an_estimate_that_the_node_refuses_is_an_alarm_and_the_call_waits(
    rig: Rig, words: str, alarm: Alarm
) -> None:
    rig.node.estimates[rig.data(commit_of(1))] = RpcRefused("eth_estimateGas", -32000, words)
    async with rig.sending(commit_of(1)) as sending:
        await rig.clock.advance(100)
        assert rig.alarms.standing == {alarm: words}
        assert not rig.table.refusals
        rig.node.estimates.clear()
        await rig.clock.advance(20)
        await sending
    assert rig.alarms.standing == {}


async def test_gas_is_the_estimate_with_the_margin_of_the_settings() -> None:
    rig = Rig(sender=SenderSettings(gas_percent=150))
    await rig.send(rig.sender(), commit_of(1))
    assert rig.table.rows[KEY.address, 0].gas == 150_000


async def test_a_margin_that_no_block_has_room_for_is_cut(rig: Rig) -> None:
    rig.node.gas = rig.node.gas_limit - 1
    await rig.send(rig.sender(), commit_of(1))
    assert rig.table.rows[KEY.address, 0].gas == rig.node.gas_limit
    assert rig.states() == [(0, CallState.CONFIRMED)]


async def test_a_call_that_takes_more_than_a_block_has_is_counted_and_takes_no_nonce(rig: Rig) -> None:
    rig.node.gas = rig.node.gas_limit + 1
    assert await refused_so_often(rig, rejection_of(1), 3) == [CallRefused, CallRefused, CallGivenUp]
    ((_, last),) = rig.table.refusals.values()
    assert last.error == "it takes 60000001 gas, and a block has 60000000"
    assert rig.states() == []


async def test_an_estimate_on_a_block_that_has_gone_is_tried_again_in_its_turn(rig: Rig) -> None:
    gone = BlockUnknown("eth_estimateGas", -32000, "unknown block")
    rig.node.estimates[rig.data(commit_of(1))] = gone
    async with rig.sending(commit_of(1), commit_of(2)) as sending:
        await rig.clock.advance(5)
        assert rig.alarms.standing == {}
        assert rig.states() == [], "it is nothing about this call: the other one waits behind it"
        rig.node.estimates.clear()
        await rig.clock.advance(20)
        await sending
    assert rig.node.made == [rig.data(commit_of(number)) for number in (1, 2)]


async def test_a_call_that_no_node_takes_is_given_up_before_it_has_a_nonce(rig: Rig) -> None:
    most = rig.settings.sender.data_bytes_max
    large = RejectResponse(zk_proof_id=1, extra_data=bytes(most))
    with pytest.raises(CallGivenUp, match=f"sender.data_bytes_max is {most}"):
        await rig.send(rig.sender(), msgspec.structs.replace(rejection_of(1), call=large))
    assert rig.states() == []
    small = RejectResponse(zk_proof_id=2, extra_data=bytes(most - 1_000))
    await rig.send(rig.sender(), msgspec.structs.replace(rejection_of(2), call=small))
    assert rig.states() == [(0, CallState.CONFIRMED)]
