"""A second key set is activated while the services run, with work of the first in their hands."""

import asyncio
from collections.abc import Sequence

import pytest
from running import Running, make_key, until

from streams.adapters.system import SystemEntropy
from streams.devnet.client import open_encryptor
from streams.devnet.demo.ledger import Mint, Transfer
from streams.devnet.demo.traffic import Traffic
from streams.domain.errors import KeyMismatch
from streams.fhe.suite import Encryptor

pytestmark = pytest.mark.stack

NEXT_SEED = b"\x22" * 32


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
