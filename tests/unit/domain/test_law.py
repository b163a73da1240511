"""The law of interleavings: the order between facts and results of a tenant never shows in the tables."""

import hashlib
import itertools
import random

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.domain.digest import keccak256
from streams.domain.facts import Fact, FactPart, GatewayLog, HostBlock, encode_fact
from streams.domain.rows import TABLES
from tests.unit.domain import worlds
from tests.unit.domain.worlds import (
    CRS,
    KEY,
    Logs,
    accepted_log,
    block,
    commit_log,
    consensus_log,
    digest,
    gateway,
    h,
    interleave,
    operators_log,
    rejected_log,
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
        at = rng.randint(0, len(told) - 2)
        told[at], told[at + 1] = told[at + 1], told[at]
    return told + [b for b in blocks if rng.random() < 0.2]


def _gateway(rng: random.Random, answers: random.Random) -> list[Fact]:
    """Ranges cut anywhere, told again and overlapping; sometimes a part of them is taken back."""
    second = answers.choice((b"bad", b"badly seen"))
    logs = [request_log(1, number=2), request_log(2, second, number=3)]
    facts = _told(rng, 0, 3, logs, "g")
    end = 3
    branch = "g"
    if rng.random() < 0.5:  # everything above block 0 is taken back and told anew
        branch = "x"
        again = [request_log(1, number=2, branch=branch)]
        facts.append(gateway(0, end, *again, branch=branch, from_branch="g"))
    if rng.random() < 0.5:
        facts += _told(rng, end, 5, _commits(rng, branch), branch)
        if rng.random() < 0.5:  # what was committed is taken back, and told again in part
            facts.append(gateway(end, 5, *_commits(rng, "y")[:2], branch="y", from_branch=branch, at_s=2_000))
            branch = "y"
        facts.append(gateway(5, 6, branch=branch, at_s=rng.choice((1_100, 9_000))))
        end = 6
    return facts + _answered(answers, end, branch, second)


def _answered(rng: random.Random, end: int, branch: str, second: bytes) -> list[Fact]:
    """Answers, which are sometimes taken back or become others, alone or together with the requests."""
    facts: list[Fact] = [gateway(end, end + 1, *_answers(rng, end + 1, branch), branch=branch)]
    start, from_branch = end, branch
    while rng.random() < 0.5:
        branch, asked = branch + "'", list[GatewayLog]()
        if start == 0 or rng.random() < 0.4:
            start, from_branch = 0, "g"
            asked = [request_log(1, number=2, branch=branch), request_log(2, second, number=3, branch=branch)]
        answers = _answers(rng, end + 1, branch)
        facts.append(gateway(start, end + 1, *asked, *answers, branch=branch, from_branch=from_branch))
    return facts


def _answers(rng: random.Random, number: int, branch: str) -> list[GatewayLog]:
    """What enough operators answered: as we, or not, to all or to some."""
    logs: list[GatewayLog] = []
    for proof_id in (1, 2):
        kind = rng.random()
        handles = [h(f"input{proof_id}" if rng.random() < 0.8 else "other")]
        if kind < 0.6:
            logs.append(accepted_log(proof_id, handles, number, branch=branch))
        elif kind < 0.85:
            logs.append(rejected_log(proof_id, number, branch=branch))
    return logs


def _commits(rng: random.Random, branch: str) -> list[GatewayLog]:
    """Commits of three operators in blocks 4 and 5, not always equal, and sometimes the agreement on them."""
    handle = h("trivial1")
    good = (keccak256(worlds.ct64(handle)), digest("ct128" + handle.hex()))
    logs = [operators_log(worlds.SENDER, b"\x06" * 20, b"\x07" * 20, number=4, branch=branch)]
    for sender in (worlds.SENDER, b"\x06" * 20, b"\x07" * 20):
        said = good if rng.random() < 0.7 else (b"\x01" * 32, good[1])
        if rng.random() < 0.8:
            logs.append(commit_log(handle, *said, rng.choice((4, 5)), sender=sender, branch=branch))
    if rng.random() < 0.7:
        agreed = good if rng.random() < 0.7 else (b"\x01" * 32, good[1])
        logs.append(consensus_log(handle, *agreed, 5, branch=branch))
    return sorted(logs, key=lambda log: log.block_number)


def _told(rng: random.Random, start: int, end: int, logs: list[GatewayLog], branch: str) -> list[Fact]:
    """One stretch of the gateway as two listeners might tell it: other cuts, and some of it twice."""
    facts: list[Fact] = []
    for _ in range(rng.randint(1, 2)):
        at = start
        while at < end:
            to = rng.randint(at + 1, end)
            inside = [log for log in logs if at < log.block_number <= to]
            facts.append(gateway(at, to, *inside, branch=branch, at_s=1_000 + to))
            at = to
    return facts


def _cut(rng: random.Random, facts: list[Fact]) -> list[Fact]:
    """Some facts in parts, as if records were small; told in order by two, of whom one may stop midway."""
    cut: list[Fact] = []
    for fact in facts:
        if rng.random() < 0.8 or not isinstance(fact, HostBlock):
            cut.append(fact)
            continue
        (whole,) = encode_fact(fact)
        sha256 = hashlib.sha256(whole).digest()
        size = len(whole) // (1 + sha256[0] % 3) + 1  # every listener cuts alike
        bodies = [whole[at : at + size] for at in range(0, len(whole), size)]
        parts = [
            FactPart(sha256=sha256, index=i, count=len(bodies), body=body) for i, body in enumerate(bodies)
        ]
        tellers = [list(parts), parts[: rng.randint(0, len(parts))]]
        while any(tellers):
            cut.append(rng.choice([told for told in tellers if told]).pop(0))
    return cut


def make_world(seed: int) -> list[Fact]:
    """Facts of a random tree of blocks, keys and gateway ranges, in one random order."""
    rng = random.Random(seed)
    keys: list[Fact] = [KEY, CRS]
    if rng.random() < 0.3:
        keys += [msgspec.structs.replace(KEY, key_id=b"\x09" * 32), KEY]
    if rng.random() < 0.3:
        keys.append(msgspec.structs.replace(CRS, crs_id=b"\x0a" * 32))
    streams: list[list[Fact]] = [_cut(rng, list(_chain(rng))), keys, _gateway(rng, random.Random(~seed))]
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


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 10**9), st.booleans())
def test_what_a_fact_puts_off_may_come_after_all_that_is_urgent(world: int, live: int, repeats_rights: bool):
    facts = make_world(world)
    results = iter(walk(facts, random.Random(live)))
    rules = msgspec.structs.replace(worlds.RULES, repeats_rights=repeats_rights, chain_ops_max=2)
    at_once, in_parts = worlds.State(complete=True), worlds.State(complete=True)
    for fact in facts:
        worlds.decide_fact(at_once, worlds.TENANT, fact, rules)
        with in_parts.putting_off() as rest:
            worlds.decide_fact(in_parts, worlds.TENANT, fact, rules)
        for step in rest:
            step(in_parts)
        for result in itertools.islice(results, 2):
            worlds.decide_result(at_once, worlds.TENANT, result, 0)
            worlds.decide_result(in_parts, worlds.TENANT, result, 0)
        assert all(in_parts.rows(table) == at_once.rows(table) for table in TABLES)


@settings(max_examples=60, deadline=None)
@example(285, 1)  # our sender commits twice, on two branches of the gateway, other digests each time
@example(3980170, 0)  # an item fails by one input while it waits for another, whose branch goes
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
