"""The law of interleavings: the order between facts and results of a tenant never shows in the tables."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.digest import keccak256
from streams.domain.facts import Fact, HostBlock
from tests.unit.domain import worlds
from tests.unit.domain.worlds import (
    CRS,
    KEY,
    Logs,
    block,
    commit_log,
    digest,
    gateway,
    h,
    interleave,
    request_log,
    run,
    settled,
    walk,
)


def _operations(rng: random.Random, known: list[bytes], salt: str, tx: str) -> Logs:
    """A few operations over what is known; results are named by content, as the contracts do."""
    logs = Logs()
    for _ in range(rng.randint(0, 4)):
        if not known or rng.random() < 0.3:
            value = rng.randint(0, 3)
            result = h(f"trivial{value}{salt}")
            logs.trivial(result, value, tx)
        else:
            left, right = rng.choice(known), rng.choice(known)
            result = h("add" + left.hex() + right.hex() + salt)
            logs.add(left, right, result, tx)
        known.append(result)
        if rng.random() < 0.5:
            logs.allow(result, tx)
    if known and rng.random() < 0.4:
        logs.allow(rng.choice(known), tx)
    return logs


def _chain(rng: random.Random) -> list[HostBlock]:
    """A tree of blocks in an order in which listeners might tell it: late parents, repeats."""
    blocks = [block("b0", 0, "none", anchor=True)]
    known: list[bytes] = [h("input1"), h("input2"), h("unknown")]
    for index in range(1, rng.randint(2, 7)):
        parent = rng.choice(blocks[-3:])
        salt = "" if rng.random() < 0.5 else f"@{index}"
        logs = _operations(rng, known, salt, f"tx{rng.randint(0, 2)}")
        blocks.append(
            HostBlock(
                chain_id=worlds.CHAIN,
                number=parent.number + 1,
                hash=digest(f"b{index}"),
                parent_hash=parent.hash,
                timestamp=index,
                logs=logs.done(),
            )
        )
    told = list(blocks)
    if len(told) > 3 and rng.random() < 0.4:
        at = rng.randint(1, len(told) - 2)
        told[at], told[at + 1] = told[at + 1], told[at]
    return told + [b for b in blocks if rng.random() < 0.2]


def _gateway(rng: random.Random) -> list[Fact]:
    facts: list[Fact] = [gateway(0, 3, request_log(1, number=2), request_log(2, b"bad", number=3))]
    if rng.random() < 0.5:  # the second half of the range is taken back and told anew
        facts.append(gateway(0, 3, request_log(1, number=2, branch="x"), branch="x", from_branch="g"))
    if rng.random() < 0.5:
        branch = "x" if len(facts) == 2 else "g"
        committed = h("trivial1")
        log = commit_log(committed, keccak256(worlds.ct64(committed)), digest("ct128" + committed.hex()), 4)
        facts.append(gateway(3, 4, log, branch=branch))
    return facts


def make_world(seed: int) -> list[Fact]:
    """Facts of a random tree of blocks, keys and gateway ranges, in one random order."""
    rng = random.Random(seed)
    streams: list[list[Fact]] = [list(_chain(rng)), [KEY, CRS], _gateway(rng)]
    facts: list[Fact] = []
    while any(streams):
        stream = rng.choice([s for s in streams if s])
        facts.append(stream.pop(0))
    return facts


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_law_any_interleaving_of_facts_and_results_gives_the_same_tables(world: int, live: int, order: int):
    facts = make_world(world)
    results = walk(facts, random.Random(live))
    assert settled(interleave(facts, results, random.Random(order))) == settled(
        interleave(facts, results, random.Random(order + 1))
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_law_results_may_all_come_first_or_all_last(world: int, live: int):
    facts = make_world(world)
    results = walk(facts, random.Random(live))
    first = worlds.State(complete=True)
    for result in results:
        worlds.decide_result(first, worlds.TENANT, result, 0)
    run(facts, first)
    last = run(facts)
    for result in results:
        worlds.decide_result(last, worlds.TENANT, result, 0)
    assert settled(first) == settled(last)
