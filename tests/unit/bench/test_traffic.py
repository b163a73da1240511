"""Traffic is the recorded transfer, again and again, with handles that no two transfers share."""

import json
from pathlib import Path

from streams.bench import traffic
from streams.domain.decide import Rules, decide_fact
from streams.domain.events import OperationEvent, decode_host_log
from streams.domain.facts import KeyActivated
from streams.domain.lifecycle import WorkState
from streams.domain.rows import ComputationRow, HandleRow, WaitRow, WorkRow
from streams.domain.state import State

RECORDINGS = Path(__file__).parents[2] / "fixtures/evm/host_erc7984.json"
TRANSFERS = 3
OPERATIONS = 6


def run(blocks: int) -> State:
    state = State(complete=True)
    for block in traffic.blocks(blocks, TRANSFERS):
        decide_fact(state, traffic.TENANT, block, Rules())
    return state


def test_the_recording_is_the_one_of_the_fixtures() -> None:
    wanted = "alice sends an encrypted input to bob"
    (recording,) = (one for one in json.loads(RECORDINGS.read_text()) if one["note"].startswith(wanted))
    told = [
        (log.address.hex(), [topic.hex() for topic in log.topics], log.data.hex())
        for log in traffic.recorded()
    ]
    logs = [
        (log["address"][2:].lower(), [topic[2:] for topic in log["topics"]], log["data"][2:])
        for log in recording["logs"]
    ]
    assert told == logs


def test_a_transfer_has_six_operations_on_three_inputs() -> None:
    assert len(traffic.operations()) == OPERATIONS
    assert len(traffic.inputs(0)) == 3


def test_no_two_transfers_share_a_handle() -> None:
    seen: set[bytes] = set()
    for serial in range(5):
        results = {
            event.result
            for log in traffic.transfer(serial)
            if isinstance(event := decode_host_log(log.topics, log.data), OperationEvent)
        }
        handles = results | set(traffic.inputs(serial))
        assert len(handles) == OPERATIONS + 3
        assert not handles & seen
        seen |= handles


def test_blocks_are_one_chain_wherever_they_begin() -> None:
    assert list(traffic.blocks(5, 1)) == [*traffic.blocks(2, 1), *traffic.blocks(3, 1, 2)]
    state = run(4)
    assert len(state.rows(ComputationRow)) == 4 * TRANSFERS * OPERATIONS


def test_every_transfer_is_one_component_that_waits_for_its_inputs() -> None:
    state = run(2)
    computing = [row for row in state.rows(WorkRow) if row.work_class == "tfhe"]
    assert len(computing) == 2 * TRANSFERS
    waits = {row.token for row in state.rows(WaitRow) if row.item == computing[0].id}
    assert len(waits) == 4  # the key and three ciphertexts
    assert {row.state for row in computing} == {WorkState.BLOCKED}
    assert not any(row.cause for row in computing)


def test_the_key_alone_starts_nothing() -> None:
    state = run(1)
    key = KeyActivated(key_id=b"k" * 32, digest=bytes(32), engine="clear", release="clear 1")
    decide_fact(state, traffic.TENANT, key, Rules())
    assert {row.state for row in state.rows(WorkRow) if row.work_class == "tfhe"} == {WorkState.BLOCKED}
    assert len(state.rows(HandleRow)) >= TRANSFERS * OPERATIONS
