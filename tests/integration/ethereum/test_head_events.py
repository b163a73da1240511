"""What the unit tests decode is what the compiled contract emits on a node, byte for byte."""

import json
from pathlib import Path

import pytest
from ethereum_chains import Chains

from tools import head_events

pytestmark = pytest.mark.stack
RECORDING = Path(__file__).parents[2] / "fixtures" / "evm" / "head_events.json"


async def test_the_recording_is_what_the_contract_emits(chains: Chains) -> None:
    found = await head_events.record(chains.owner_on(chains.host))
    assert found == json.loads(RECORDING.read_text()), (
        f"see contracts/README.md: record {RECORDING.name} again"
    )
