"""`up`: every service as a child of one process, and what only all of them together show."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from running import Running, Services, make_key, until
from typer.testing import CliRunner
from unit.domain.worlds import CHAIN, Logs, block, h

from streams.adapters.system import SystemEntropy
from streams.bench.report import Run
from streams.cli import app
from streams.devnet.client import open_encryptor
from streams.devnet.demo.ledger import Mint, Transfer
from streams.devnet.demo.traffic import Traffic
from streams.domain.errors import KeyMismatch
from streams.domain.facts import Fact, KeyActivated, encode_fact, host_tenant
from streams.domain.operations import FheType
from streams.domain.partition import partition_of
from streams.domain.work import WorkClass
from streams.fhe.clear import STORED, decode
from streams.fhe.keyset import RELEASES
from streams.fhe.suite import Encryptor
from streams.messages import headers
from streams.messages.claim_check import INLINE_BYTES_MAX, ClaimCheck
from streams.messages.topics import EVENTS, WORK

pytestmark = pytest.mark.stack

NEXT_SEED = b"\x22" * 32
LENGTH = 10_000  # operations of a chain
ELSEWHERE = host_tenant(CHAIN, b"\x01" * 20)  # no listener follows it


def test_all_services_come_up(services: Services) -> None:
    assert services.alive() == services.names  # and the fixture ends them together


async def test_the_memory_of_each_is_told_and_that_of_the_workers_children(
    services: Services, tmp_path: Path
) -> None:
    output = tmp_path / "memory.json"
    words = ["bench", "memory", "--state", str(services.folder), "--output", str(output)]
    children = {f"{name}'s child" for name in services.names if name.removesuffix("-2").endswith("worker")}

    async def is_told() -> bool:
        result = await asyncio.to_thread(CliRunner().invoke, app, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "transaction-sender: most resident memory" in result.output
        (report,) = msgspec.json.decode(output.read_bytes(), type=Run).reports
        sizes = [figure for figure in report.figures if figure.unit == "MiB" and figure.value > 0]
        told = {figure.name.partition(":")[0] for figure in sizes}
        return told == {*services.names, *children}

    await until(is_told, "all services and all children are told")


async def mint_twice(traffic: Traffic) -> None:
    await asyncio.gather(*(traffic.mint(Mint(user, 10 + user)) for user in range(2)))


async def test_a_paused_tenant_is_not_dispatched_and_goes_on_where_the_switch_says(running: Running) -> None:
    token = await running.new_token("paused")
    async with running.paused():
        handles = await running.sent(token, mint_twice)
        # Where credit is free, an item is never seen ready: the transaction that makes it so claims it.
        await running.until_items(handles, "ready", "blocked")
        await running.control("feature", "locality", "on")
        waiting = await running.items(handles)
        assert {row["state"] for row in waiting} == {"ready", "blocked"}
        assert {row["claimed_at"] for row in waiting} == {None}
    done = await running.until_items(handles, "done")
    count = await running.log.partitions(WORK[WorkClass.TFHE])
    assert [row["partition"] for row in done] == [partition_of(row["affinity"], count) for row in done]
    await running.control("feature", "locality", "default")


async def mint(traffic: Traffic) -> None:
    await traffic.mint(Mint(0, 1_000))


async def mint_more(traffic: Traffic) -> None:
    await traffic.mint(Mint(0, 2_000))  # equal operations on equal values would be the same handles


async def rotate(running: Running) -> bytes:
    """The id of a new key set, which the graph takes from now on."""
    services = running.services
    key_id = (await make_key(services.state, services.servers, services.store, NEXT_SEED)).key_id

    async def is_active() -> bool:
        rows = await running.fetch("select key_id from tenants where tenant = $1", running.tenant)
        return [row["key_id"] for row in rows] == [key_id]

    await until(is_active, "the graph takes the new key")
    return key_id


def encryptor(running: Running) -> Encryptor:
    store, keys = running.services.store, running.keys
    files, crs = store.derive(keys.keyset_digest), store.crs(keys.crs_digest)
    return open_encryptor("clear", files, crs, SystemEntropy())


async def keys_of(running: Running, handles: Sequence[bytes]) -> set[bytes]:
    """The keys under which these handles are committed, once all have their digests."""

    async def is_squashed() -> bool:
        return len(await running.progress.digests(handles)) == len(handles)

    await until(is_squashed, "all are squashed")
    return {digests.key_id for digests in (await running.progress.digests(handles)).values()}


async def test_what_waited_keeps_the_old_key_what_is_new_takes_the_new_one_and_they_never_meet(
    running: Running,
) -> None:
    old_key, old, new = running.keys.key_id, await running.new_token("old"), await running.new_token("new")
    first = await running.sent(old, mint)
    await running.until_items(first, "done")
    async with running.paused():
        waiting = await running.sent(old, mint)  # on ciphertexts of the old key
        await running.until_items(waiting, "ready")
        new_key = await rotate(running)
        fresh = await running.sent(new, mint_more)
        await running.until_items(fresh, "ready")
    mixed = await running.sent(old, mint)
    paid = Transfer(number=0, sender=0, receiver=1, amount=7)
    proven = await asyncio.to_thread(encryptor, running)
    transferred = await running.sent(new, lambda traffic: traffic.transfer(paid, proven))

    assert await keys_of(running, first + waiting) == {old_key}
    assert await keys_of(running, fresh + transferred) == {new_key}
    refused = await running.until_items(mixed, "failed")
    assert all(row["cause"].startswith(f"{KeyMismatch.__name__}: ") for row in refused)


def chain() -> Logs:
    """Each operation adds one to what the one before made; only the last is allowed."""
    logs = Logs().trivial(h("x0"), 0)
    for at in range(1, LENGTH):
        logs.add(h(f"x{at - 1}"), 1, h(f"x{at}"))
    return logs.allow(last())


def last() -> bytes:
    return h(f"x{LENGTH - 1}")


def facts(running: Running) -> list[Fact]:
    keys = running.keys
    release = RELEASES[keys.engine]
    key = KeyActivated(key_id=keys.key_id, digest=keys.keyset_digest, engine=keys.engine, release=release)
    return [key, block("0", 0, "-1", anchor=True), block("1", 1, "0", chain())]


async def checked_in(running: Running, partition: int) -> list[ClaimCheck]:
    """Claim checks of a partition of the work topic."""
    bounds = await running.log.bounds(WORK[WorkClass.TFHE], partition)
    return [
        msgspec.json.decode(record.value or b"", type=ClaimCheck)
        async for record in running.log.read(WORK[WorkClass.TFHE], partition, *bounds)
        if headers.get(record.headers, headers.CLAIM_CHECK)
    ]


async def test_a_chain_of_ten_thousand_operations_is_stored_as_its_sum(running: Running) -> None:
    for fact in facts(running):
        for value in encode_fact(fact):
            await running.log.append(EVENTS, key=ELSEWHERE.encode(), value=value)
    query = "select ciphertext from ciphertexts where tenant = $1 and handle = $2"

    async def is_stored() -> bool:
        return bool(await running.fetch(query, ELSEWHERE, last()))

    await until(is_stored, "the last of the chain is stored")
    (stored,) = await running.fetch(query, ELSEWHERE, last())
    assert decode(STORED, stored["ciphertext"], FheType.UINT64) == LENGTH - 1
    (item,) = await running.items([last()])
    sizes = [check.size_bytes for check in await checked_in(running, item["partition"])]
    assert sizes  # more than one where it was sent again
    assert min(sizes) > INLINE_BYTES_MAX
