"""Real engines: a run without kills, and one in which every kind of process dies once."""

import asyncio
from collections.abc import Iterator

import pytest
from baseline import run
from harness import SEED, Bench, make_bench
from traffic import SMALL, Traffic
from verdict import assert_same, assert_whole, decrypted_balances, play

from streams.adapters.system import SystemEntropy
from streams.devnet import activation
from streams.devnet import stack as devnet
from streams.devnet.client import generate_seeded, open_encryptor
from streams.fhe.keyset import EngineName, KeyStore

pytestmark = [pytest.mark.stack, pytest.mark.fhe]
CRASHES = {
    "graph": "dispatcher.produced",
    "tfhe-worker": "worker.executed",
    "sns-worker": "sns.between_uploads",
    "transaction-sender": "sender.broadcast",
}


@pytest.fixture(scope="module")
def real_bench(stack: devnet.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("kills-fhe")
    try:
        yield run(make_bench(stack, root, "tfhe-rs"))
    finally:
        run(devnet.remove(root))


@pytest.fixture(scope="module")
def inputs(real_bench: Bench) -> tuple[bytes, ...]:
    return run(recorded(real_bench))


async def recorded(bench: Bench) -> tuple[bytes, ...]:
    """Proven inputs of the script, made once: their randomness is new every time."""
    store, made = KeyStore(), await asyncio.to_thread(generate_seeded, "tfhe-rs", SEED)
    files = await asyncio.to_thread(store.derive, made.keyset_digest)
    crs = store.crs(activation.require(bench.state).crs_digest)
    encryptor = open_encryptor("tfhe-rs", files, crs, SystemEntropy())
    async with bench.chains() as chains:
        return await asyncio.to_thread(Traffic(*chains, bench.deployment).record, SMALL, encryptor)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ["tfhe-rs", "wave"])
async def test_digests_do_not_depend_on_kills(
    engine: EngineName, real_bench: Bench, inputs: tuple[bytes, ...]
) -> None:
    async with real_bench.round(engine=engine) as played, played.running():
        baseline = await play(played, SMALL, inputs)
        assert await decrypted_balances(played) == SMALL.balances(users=3)
    assert_whole(baseline)
    async with real_bench.round(CRASHES, engine=engine) as played, played.running():
        outcome = await play(played, SMALL, inputs, set(baseline.digests))
    assert_same(outcome, baseline)
