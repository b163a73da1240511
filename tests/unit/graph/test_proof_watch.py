"""What an operator hears of disputed inputs, and the way of a second verification through the service."""

import msgspec
from graph_world import TENANT, GraphWorld, honest
from structlog.testing import capture_logs
from unit.domain import worlds

from streams.adapters.telemetry.metrics import Metrics
from streams.domain.lifecycle import ProofState
from streams.domain.results import Ciphertext, Proven
from streams.domain.rows import AlarmRow, CiphertextRow, ProofRow, Standing
from streams.domain.work import ProofWork, RejectResponse, SendWork
from streams.services.graph.proof_watch import watch

REPLAYS = "coprocessor_gw_listener_verify_proof_replay_counter"
OPEN = ProofRow(
    tenant="t",
    zk_proof_id=7,
    range_end=1,
    block_number=1,
    transaction_id=b"",
    chain_id=1,
    contract_address=b"",
    user_address=b"",
    input=b"",
    extra_data=b"",
    state=ProofState.REJECTED,
    verified=False,
    last_error="InvalidInput: no",
)


def changed(row: ProofRow, **fields: object) -> ProofRow:
    return msgspec.structs.replace(row, **fields)


def test_a_second_verification_counts_once_and_a_mere_rejection_not() -> None:
    metrics = Metrics()
    tell = watch(metrics)
    accepted = changed(OPEN, standing=Standing.DISPUTED, accepted=True)
    over = changed(accepted, standing=Standing.REPLAYED)
    rejected = changed(OPEN, standing=Standing.DISPUTED, accepted=False, verified=True)
    tell([(OPEN, accepted), (accepted, accepted), (accepted, over), (None, rejected), (rejected, None)])
    assert metrics.value(REPLAYS) == 1


def test_the_log_names_the_request_and_says_when_it_is_over() -> None:
    disputed = changed(OPEN, standing=Standing.DISPUTED, accepted=True)
    with capture_logs() as lines:
        watch(Metrics())([(OPEN, disputed), (disputed, changed(disputed, standing=Standing.REPLAYED))])
    assert [(line["action"], line["zk_proof_id"]) for line in lines] == [
        ("proof_disputed", 7),
        ("proof_dispute_over", 7),
    ]
    assert (lines[0]["log_level"], lines[0]["reason"]) == ("error", "InvalidInput: no")


async def test_the_service_verifies_again_what_was_accepted_without_us(world: GraphWorld) -> None:
    async with world.process() as process:
        await world.beat_all()
        asked = worlds.gateway(0, 1, worlds.request_log(2, b"bad"))
        await world.publish(worlds.KEY, worlds.CRS, asked)
        await process.settle()
        ((_, first),) = world.take_work("zkproof")
        await world.answer(*honest(first))
        await process.settle()
        handle = worlds.h("input2")
        await world.publish(worlds.gateway(1, 2, worlds.accepted_log(2, [handle], 2)))
        await process.settle()
        ((_, again),) = world.take_work("zkproof")
        assert isinstance(first, ProofWork)
        assert isinstance(again, ProofWork)
        assert again == msgspec.structs.replace(first, item=again.item, agreed=(handle,))
        assert [row.kind for row in world.store.state.rows(AlarmRow)] == ["proof_disputed"]
        assert process.runtime.metrics.value(REPLAYS) == 1
        value = Ciphertext(handle=handle, fhe_type=5, ct64=worlds.ct64(handle))
        good = Proven(
            item=again.item,
            attempt=0,
            worker="w",
            verified=True,
            key_id=again.key_id,
            handles=(handle,),
            ciphertexts=(value,),
            agreed=again.agreed,
        )
        await world.answer(good)
        await process.settle()
        votes = [work.call for _, work in world.take_work("sender") if isinstance(work, SendWork)]
    assert votes == [RejectResponse(zk_proof_id=2, extra_data=b"\0")]
    assert world.store.state.rows(AlarmRow) == []
    stored = world.store.state.get(CiphertextRow, TENANT, handle)
    assert stored is not None
    assert stored.is_input
