"""What a round must leave, whatever was killed in it."""

import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import msgspec

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres import pool
from streams.devnet import activation, kms
from streams.devnet.client import open_decryptor
from streams.domain.events import COMMIT_TOPICS, AddCiphertextMaterial, decode_gateway_log
from streams.messages.topics import DLQ, EVENTS, RESULTS

from harness import Bench, Round, until  # isort: skip
from traffic import Script, Traffic  # isort: skip

SETTLE_TIMEOUT_S = 500.0
_OPEN = "select count(*) from work_items where state not in ('done', 'failed', 'cancelled')"
_OFFSETS = "select topic, part, next_off from consumer_offset order by topic, part"
# without second verifications of inputs that the gateway and we judged alike: those are cancelled
_BY_STATE = """
select work_class, state, cause, count(*) from work_items
where kind <> 'proof_replay' or state <> 'cancelled'
group by 1, 2, 3 order by 1, 2, 3
"""
_TABLES_OF_TROUBLE = ("divergences", "dead_letters", "halted_tenants", "halted_records", "early_results")

Digests = dict[bytes, tuple[bytes, bytes]]


class NotSettled(AssertionError):
    """The round does not come to its end."""


class Outcome(msgspec.Struct, frozen=True):
    """What the outside and the tables say at the end of a round."""

    commits: dict[bytes, int]  # how many of ours by handle
    digests: Digests  # as the gateway has them
    stored: Digests  # as our tables have them
    items: list[tuple[Any, ...]]
    trouble: dict[str, int]
    dead_letters: int
    offsets: dict[tuple[str, int], int]
    ends: dict[tuple[str, int], int]


class Watch:
    """Looks at a round from outside."""

    def __init__(
        self,
        played: Round,
        host: EthereumChain,
        gateway: EthereumChain,
        log: KafkaLog,
        connections: pool.Pool,
    ) -> None:
        self.host = host
        self.traffic = Traffic(host, gateway, played.bench.deployment)
        self._round = played
        self._gateway = gateway
        self._log = log
        self._connections = connections

    async def settle(self, expected: set[bytes]) -> Outcome:
        """Wait until all is committed, applied and terminal; raises NotSettled with what is left."""
        ends: list[Outcome] = []

        async def is_over() -> bool:
            if not await self._is_settled(expected):
                return False
            ends.append(await self._outcome())
            # What a killed process had done already may be told once more, after everything had ended.
            return ends[-1].offsets == ends[-1].ends

        try:
            await until(is_over, "everything ends", SETTLE_TIMEOUT_S)
        except AssertionError:
            raise NotSettled(await self._what_is_left(expected)) from None
        return ends[-1]

    async def _is_settled(self, expected: set[bytes]) -> bool:
        if self._round.missed():
            return False
        if await self._fetch(_OPEN) != [(0,)] or await self._offsets() != await self._ends():
            return False
        return expected <= {event.handle for event in await self._materials()}

    async def _what_is_left(self, expected: set[bytes]) -> str:
        lacking = expected - {event.handle for event in await self._materials()}
        offsets, ends = await self._offsets(), await self._ends()
        behind = {
            place: (offsets.get(place), end) for place, end in ends.items() if offsets.get(place) != end
        }
        return (
            f"not reached: {self._round.missed()}; not committed: {[h.hex() for h in lacking]}; "
            f"behind: {behind}; deaths: {self._round.deaths}; items: {await self._fetch(_BY_STATE)}"
        )

    async def _outcome(self) -> Outcome:
        materials = await self._materials()
        stored = await self._fetch("select handle, ciphertext, ciphertext128 from ciphertext_digest")
        trouble = {
            name: (await self._fetch(f"select count(*) from {name}"))[0][0] for name in _TABLES_OF_TROUBLE
        }
        return Outcome(
            commits=dict(Counter(event.handle for event in materials)),
            digests={event.handle: (event.ct64_digest, event.ct128_digest) for event in materials},
            stored={handle: (ct64, ct128) for handle, ct64, ct128 in stored},
            items=await self._fetch(_BY_STATE),
            trouble=trouble,
            dead_letters=sum((await self._bounds(DLQ)).values()),
            offsets=await self._offsets(),
            ends=await self._ends(),
        )

    async def _materials(self) -> list[AddCiphertextMaterial]:
        at, head = self._round.bench.deployment, await self._gateway.head()
        logs = await self._gateway.logs_in_range(0, head.number, [at.ciphertext_commits])
        known = (
            decode_gateway_log(e.log.topics, e.log.data) for e in logs if e.log.topics[0] in COMMIT_TOPICS
        )
        ours = bytes.fromhex((self._round.settings.sender.address or "").removeprefix("0x"))
        return [e for e in known if isinstance(e, AddCiphertextMaterial) and e.tx_sender == ours]

    async def _offsets(self) -> dict[tuple[str, int], int]:
        return {(topic, part): next_off for topic, part, next_off in await self._fetch(_OFFSETS)}

    async def _ends(self) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = {}
        for topic in (EVENTS, RESULTS):
            found |= {(topic, part): end for part, end in (await self._bounds(topic)).items()}
        return found

    async def _bounds(self, topic: str) -> dict[int, int]:
        count = await self._log.partitions(topic)
        return {part: (await self._log.bounds(topic, part))[1] for part in range(count)}

    async def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        async with pool.acquired(self._connections) as connection:
            return [tuple(row) for row in await connection.fetch(query)]


@contextlib.asynccontextmanager
async def watching(played: Round) -> AsyncGenerator[Watch]:
    """Connections to everything that a round is judged by."""
    async with played.bench.chains() as (host, gateway):
        log = KafkaLog(played.settings.kafka)
        connections = await pool.open_pool(played.settings.postgres, 2)
        try:
            yield Watch(played, host, gateway, log, connections)
        finally:
            await connections.close()
            await log.close()


async def play(
    played: Round, script: Script, inputs: tuple[bytes, ...], expected: set[bytes] | None = None
) -> Outcome:
    """Do the traffic while the round's services run, and wait for the end of everything."""
    async with watching(played) as watch:
        await watch.traffic.play(script, inputs, when_busy=played.arm)
        return await watch.settle(await watch.traffic.allowed() if expected is None else expected)


def assert_whole(outcome: Outcome) -> None:
    """Laws that hold for every end, without a baseline."""
    assert set(outcome.commits.values()) == {1}, outcome.commits
    assert outcome.stored == outcome.digests
    assert {state for _, state, _, _ in outcome.items} == {"done"}, outcome.items
    assert outcome.trouble == dict.fromkeys(_TABLES_OF_TROUBLE, 0)
    assert outcome.dead_letters == 0
    assert outcome.offsets == outcome.ends


def assert_same(outcome: Outcome, baseline: Outcome) -> None:
    """The laws, and the digests of a round in which nothing died."""
    assert_whole(outcome)
    assert outcome.digests == baseline.digests
    assert outcome.items == baseline.items


async def decrypted_balances(played: Round) -> list[int]:
    """What the users have, out of the squashed objects in the round's bucket."""
    bench: Bench = played.bench
    decryptor = open_decryptor(bench.engine, activation.client_key_file(bench.state))
    at = bench.deployment
    async with bench.chains() as (host, chain), httpx.AsyncClient(trust_env=False) as http:
        handles = await Traffic(host, chain, at).balance_handles()
        gateway = kms.Gateway(chain, at.ciphertext_commits, at.gateway_config)
        shown: list[int] = []
        for handle in handles:
            value = 0
            if any(handle):
                value = (await kms.decrypt(handle, gateway, played.bucket_url, http, decryptor.decrypt)).value
            shown.append(value)
        return shown
