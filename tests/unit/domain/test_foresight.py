"""What is preloaded is what the decision asks for anyway."""

import pytest
from unit.domain.worlds import KEY, RULES, TENANT, Logs, block, gateway, h

from streams.domain.chain import events_of
from streams.domain.decide import decide_fact, decide_result
from streams.domain.facts import Fact
from streams.domain.foresight import of_fact, of_result
from streams.domain.items import squashed, stored
from streams.domain.planning import follower
from streams.domain.results import Ciphertext, Computed, Result, Squashed, Started
from streams.domain.rows import BlockRow, CiphertextRow, HandleRow, TenantRow, WaitRow, WorkRow
from streams.domain.state import Guesses, Read, State
from streams.domain.work import WorkClass

ONE = Ciphertext(handle=h("a"), fhe_type=5, ct64=b"ct")
COMPUTED = Computed(item="i", attempt=0, worker="w", key_id=b"k", ciphertexts=(ONE,))
SQUASHED = Squashed(
    item="i",
    attempt=0,
    worker="w",
    handle=h("a"),
    key_id=b"k",
    ct64_digest=b"d",
    ct128_digest=b"e",
    format=10,
    signer=b"s",
    attestation=b"t",
)


def asked(decide: object) -> set[Read]:
    state = State()
    guessed: Guesses = {}
    with state.guessing(guessed):
        decide(state)
    return set(guessed)


@pytest.mark.parametrize(
    "fact", [KEY, gateway(0, 1), block("1", 1, "0", Logs().trivial(h("a"), 5).allow(h("a")))]
)
def test_a_fact_s_reads_are_a_part_of_what_its_decision_asks_for(fact: Fact) -> None:
    reads = of_fact(TENANT, fact).reads
    assert Read(TenantRow, TenantRow.KEY, (TENANT,)) in reads
    assert set(reads) <= asked(lambda state: decide_fact(state, TENANT, fact, RULES))


def test_a_block_s_reads_say_where_it_connects() -> None:
    fact = block("1", 1, "0")
    places = {read.values for read in of_fact(TENANT, fact).reads if read.table is BlockRow}
    assert places == {(TENANT, fact.parent_hash)}


def test_a_block_s_reads_name_the_handles_that_it_does_not_make() -> None:
    logs = Logs().add(h("a"), h("b"), h("c")).allow(h("c")).allow(h("d"))
    fact = block("1", 1, "b0", logs)
    reads = of_fact(TENANT, fact, events_of(fact)).reads
    assert {read.values[1] for read in reads if read.table is HandleRow} == {h("a"), h("b"), h("d")}


@pytest.mark.parametrize(
    ("result", "followers"),
    [(COMPUTED, [WorkClass.SNS]), (SQUASHED, [WorkClass.SENDER, WorkClass.PUBLISH])],
)
def test_a_result_s_reads_name_what_waits_for_it(result: Result, followers: list[WorkClass]) -> None:
    reads = of_result(TENANT, result).reads
    token = stored(h("a")) if result is COMPUTED else squashed(h("a"))
    assert Read(WaitRow, ("tenant", "token"), (TENANT, token)) in reads
    expected = {follower(work_class, TENANT, h("a")) for work_class in followers} | {"i"}
    assert {read.values[1] for read in reads if read.table is WorkRow} == expected


@pytest.mark.parametrize("result", [COMPUTED, SQUASHED])
def test_a_result_s_reads_name_its_item_and_handles(result: Result) -> None:
    reads = of_result(TENANT, result).reads
    wanted = {Read(WorkRow, WorkRow.KEY, (TENANT, "i")), Read(HandleRow, HandleRow.KEY, (TENANT, h("a")))}
    assert wanted <= set(reads)
    assert wanted <= asked(lambda state: decide_result(state, TENANT, result, 0))


def test_a_start_speaks_of_no_handle() -> None:
    reads = of_result(TENANT, Started(item="i", attempt=0, worker="w")).reads
    assert not any(read.table is HandleRow for read in reads)


def test_a_block_s_guesses_are_a_part_of_what_its_decision_asks_for() -> None:
    logs = Logs().add(h("a"), h("b"), h("c")).allow(h("c")).allow(h("d"))
    fact = block("1", 1, "b0", logs)
    found = of_fact(TENANT, fact, events_of(fact))
    assert set(found.guesses) <= asked(lambda state: decide_fact(state, TENANT, fact, RULES))
    assert {read.values[1] for read in found.guesses if read.table is HandleRow} == {h("c")}
    assert {read.columns for read in found.guesses if read.table is BlockRow} == {
        BlockRow.KEY,
        ("tenant", "parent_hash"),
    }
    assert not set(found.guesses) & set(found.reads)


def test_a_block_s_inputs_are_operands_and_not_what_it_makes_or_only_allows() -> None:
    logs = Logs().add(h("a"), h("b"), h("c")).add(h("c"), h("a"), h("e")).allow(h("c")).allow(h("d"))
    fact = block("1", 1, "b0", logs)
    found = of_fact(TENANT, fact, events_of(fact))
    assert found.inputs == tuple(Read(CiphertextRow, CiphertextRow.KEY, (TENANT, h(name))) for name in "ab")
