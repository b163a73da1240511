"""The objects of a value have the sizes that the network's own code wrote."""

import json
from pathlib import Path

from streams.bench.ciphertext_sizes import squashed_bytes, stored_bytes
from streams.bench.gateway_facts import PROOF_BYTES
from streams.domain.operations import FheType

KNOWN = json.loads((Path(__file__).parents[2] / "fixtures" / "tfhe" / "known_answers.json").read_text())


def test_stored_values_are_as_large_as_those_recorded() -> None:
    recorded = {FheType(each["out_type"]): each["ct64_bytes"] for each in KNOWN["operations"]}
    assert {FheType.BOOL, FheType.UINT8, FheType.UINT64, FheType.UINT256} <= set(recorded)
    assert {each: stored_bytes(each) for each in recorded} == recorded


def test_squashed_values_are_as_large_as_those_recorded() -> None:
    types = {name: FheType(each["type"]) for name, each in KNOWN["inputs"].items()}
    recorded = {types[each["input"]]: each["ct128_bytes"] for each in KNOWN["squash"]}
    assert set(recorded) == {FheType.BOOL, FheType.UINT8, FheType.UINT64}
    assert {each: squashed_bytes(each) for each in recorded} == recorded


def test_a_proof_is_as_large_as_the_one_recorded() -> None:
    assert len(bytes.fromhex(KNOWN["input_proof"]["list"])) == PROOF_BYTES
