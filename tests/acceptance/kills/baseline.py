"""The round in which nothing dies, with which the others are compared."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec
from harness import Bench
from traffic import WHOLE, Script, Traffic
from verdict import Outcome, decrypted_balances, play

from streams.adapters.memory.entropy import SeededEntropy
from streams.devnet.client import ClearEncryptor

T = TypeVar("T")


class Baseline(msgspec.Struct, frozen=True):
    """What all rounds do, with the inputs that all of them use, and how it ended here."""

    script: Script
    inputs: tuple[bytes, ...]
    outcome: Outcome
    balances: list[int]

    @property
    def handles(self) -> set[bytes]:
        """What must come to the gateway."""
        return set(self.outcome.digests)


async def undisturbed(bench: Bench) -> Baseline:
    async with bench.chains() as chains:
        traffic = Traffic(*chains, bench.deployment)
        inputs = traffic.record(WHOLE, ClearEncryptor(SeededEntropy(b"inputs")))
    async with bench.round() as played, played.running():
        outcome = await play(played, WHOLE, inputs)
        return Baseline(WHOLE, inputs, outcome, await decrypted_balances(played))


def run(work: Coroutine[None, None, T]) -> T:
    """Runs on a loop in a thread of its own: the loops of the tests belong to pytest-asyncio."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
