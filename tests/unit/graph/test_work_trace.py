"""One trace from the chain's event to the work that follows from it."""

import pytest

from streams.adapters.memory.log import MemoryLog
from streams.domain.facts import Fact, GatewayRange, HostBlock, gateway_event_id, host_event_id
from streams.domain.rows import WorkRow
from streams.messages import trace
from streams.messages.topics import EVENTS
from streams.services.graph import outgoing
from streams.services.listener.publish import Publisher
from tests.unit.domain.worlds import CRS, KEY, TENANT, Logs, block, gateway, h, request_log, run


def _id_of(fact: Fact) -> str:
    if isinstance(fact, HostBlock):
        return host_event_id(fact.chain_id, fact.hash)
    assert isinstance(fact, GatewayRange)
    return gateway_event_id(fact.chain_id, TENANT, fact.from_block, fact.to_hash)


@pytest.mark.parametrize(
    "fact",
    [block("b1", 1, "b0", Logs().trivial(h("x"), 1).allow(h("x"))), gateway(0, 1, request_log(7))],
    ids=["block", "request"],
)
async def test_every_item_of_a_fact_carries_the_trace_of_its_record(fact: Fact) -> None:
    log = MemoryLog({EVENTS: 1})
    await Publisher(log, "listener").publish(TENANT, fact, _id_of(fact))
    (record,) = [record async for record in log.read(EVENTS, 0, 0, 1)]
    of_the_fact = trace.of(record.headers, "none")
    works = run([KEY, CRS, block("b0", 0, "none", anchor=True), fact]).rows(WorkRow)
    found = {trace.of(outgoing.headers_of(work, "work/1.0"), "none").trace_id for work in works}
    assert works
    assert found == {of_the_fact.trace_id}
