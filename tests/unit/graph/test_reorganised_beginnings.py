"""The very block that a chain, or a tenant of the gateway, begins with is reorganised: from node to rows."""

import pytest
from test_lost_facts import GATEWAY, HOST, Deployment, begun
from unit.listener.fake_chain import FakeChain

from streams.domain.lifecycle import ProofState
from streams.domain.rows import BlockRow, BlockStatus, ProofRow


@pytest.fixture
async def deployment() -> Deployment:
    return await begun()


def leave(chain: FakeChain, count: int) -> None:
    """All but the first so many blocks are others' from now on."""
    chain.drop(len(chain.branch) - count)
    chain.mine()


async def test_what_was_found_out_on_a_branch_counts_no_more(deployment: Deployment) -> None:
    state = deployment.world.store.state
    leave(deployment.chain, HOST.start_block)
    leave(deployment.gateway, GATEWAY.start_block - 1)
    await deployment.live(2, 6)
    await deployment.follow()  # the gateway's goes to where it began first
    await deployment.compute()
    assert deployment.alarms() == set()
    canonical = {row.hash for row in state.rows(BlockRow) if row.status is BlockStatus.CANONICAL}
    assert canonical == {head.hash for head in deployment.chain.branch[HOST.start_block :]}
    assert len(state.rows(BlockRow)) > len(canonical)
    assert {row.zk_proof_id: row.state for row in state.rows(ProofRow)} == {
        1: ProofState.ORPHANED,
        2: ProofState.VERIFIED,
    }
    assert deployment.place.gateway_number == len(deployment.gateway.branch) - 1
