"""Ten thousand operations that depend on each other: one item, whose message no record holds."""

import msgspec
import pytest
from running import Running, until
from unit.domain.worlds import CHAIN, Logs, block, h

from streams.domain.facts import Fact, KeyActivated, encode_fact, host_tenant
from streams.domain.operations import FheType
from streams.domain.work import WorkClass
from streams.fhe.clear import STORED, decode
from streams.fhe.keyset import RELEASES
from streams.messages import headers
from streams.messages.claim_check import INLINE_BYTES_MAX, ClaimCheck
from streams.messages.topics import EVENTS, WORK

pytestmark = pytest.mark.stack

LENGTH = 10_000
TENANT = host_tenant(CHAIN, b"\x01" * 20)  # no listener follows it


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
            await running.log.append(EVENTS, key=TENANT.encode(), value=value)
    query = "select ciphertext from ciphertexts where tenant = $1 and handle = $2"

    async def is_stored() -> bool:
        return bool(await running.fetch(query, TENANT, last()))

    await until(is_stored, "the last of the chain is stored")
    (stored,) = await running.fetch(query, TENANT, last())
    assert decode(STORED, stored["ciphertext"], FheType.UINT64) == LENGTH - 1
    (item,) = await running.items([last()])
    sizes = [check.size_bytes for check in await checked_in(running, item["partition"])]
    assert sizes  # more than one where it was sent again
    assert min(sizes) > INLINE_BYTES_MAX
