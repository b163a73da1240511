"""What an operator reads of the listeners on /metrics, after the events that move it."""

from pathlib import Path

import pytest
import structlog
from eth_abi.abi import encode
from fake_chain import FakeChain, a_log
from key_urls import CRS, KEYSET, URL, Storage, digest_of

from streams.adapters.ethereum.chain import BlockLog
from streams.adapters.key_store import KeyStore, Material
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.health import Health
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.digest import event_topic
from streams.domain.errors import BrokerError, RpcError
from streams.domain.events import EXECUTOR_TOPICS, VERIFY_PROOF_REQUEST_TOPIC
from streams.domain.facts import Log
from streams.messages.topics import EVENTS
from streams.services.listener.gateway import GatewayFollower
from streams.services.listener.gateway_routes import Router
from streams.services.listener.host import HostFollower
from streams.services.listener.key_fetcher import KeyFetcher
from streams.settings import GatewaySettings, HostChainSettings

GATEWAY = bytes.fromhex("aa" * 20)
KEYS = b"\xcc" * 20


class DroppingLogs(FakeChain):
    """Knows its blocks, and fails when asked for logs."""

    async def logs_in_range(self, *asked: object) -> tuple[BlockLog, ...]:
        raise RpcError("too many logs")

    async def logs_of_block(self, *asked: object) -> tuple[Log, ...]:
        raise RpcError("too many logs")


def lines(metrics: Metrics) -> list[str]:
    return metrics.text().decode().splitlines()


async def test_a_host_chain_s_blocks_and_troubles_are_counted(
    log: MemoryLog, clock: FakeClock, host: HostChainSettings
) -> None:
    metrics, chain = Metrics(), FakeChain(length=4)
    follower = HostFollower(chain, log, host, clock, metrics)
    assert 'host_poller_rpc_errors{chain_id="12345"} 0.0' in lines(metrics)
    while await follower.step():
        pass
    chain.failures = 1
    with pytest.raises(RpcError):
        await follower.step()
    chain.mine()
    log.fail_next(EVENTS)
    with pytest.raises(BrokerError):
        await follower.step()
    for name, count in (("blocks_processed", 1), ("rpc_errors", 1), ("db_errors", 1)):
        assert f'host_poller_{name}{{chain_id="12345"}} {float(count)}' in lines(metrics)
    assert metrics.value("host_poller_blocks_processed", {"chain_id": "12345"}) == 1
    assert metrics.value("host_poller_rpc_errors", {"chain_id": "12345"}) == 1
    assert metrics.value("host_poller_db_errors", {"chain_id": "12345"}) == 1


async def test_what_the_executor_tells_and_nobody_knows_is_counted_told_once_and_shown(
    log: MemoryLog, clock: FakeClock, host: HostChainSettings
) -> None:
    metrics, chain = Metrics(), FakeChain(length=1)
    executor = bytes.fromhex(host.executor_address.removeprefix("0x"))
    new, other = event_topic("FheLogarithm(address,bytes32,bytes32)"), event_topic("FheNew(bytes32)")
    known = [event_topic(name) for name in ("Upgraded(address)", "Initialized(uint64)")]
    known.append(next(iter(EXECUTOR_TOPICS)))
    strange, health = b"\x77" * 20, Health()
    chain.mine(1, [a_log(executor, 1, b"", (topic,)) for topic in known])
    chain.mine(1, [a_log(strange, 2, b"", (new,))])
    follower = HostFollower(chain, log, host, clock, metrics, health=health)
    with structlog.testing.capture_logs() as told:
        while await follower.step():
            pass
        assert metrics.value("cipherstream_executor_unknown_events", {"chain_id": "12345"}) == 0
        assert health.snapshot().details == {}
        chain.mine(1, [a_log(executor, number, b"", (new,)) for number in (3, 4)])
        chain.mine(1, [a_log(executor, 5, b"", (other,)), a_log(executor, 6, b"", ())])
        while await follower.step():
            pass
    assert metrics.value("cipherstream_executor_unknown_events", {"chain_id": "12345"}) == 4
    topics = [line["topic"] for line in told if line["action"] == "unknown_executor_event"]
    assert topics == [f"0x{new.hex()}", f"0x{other.hex()}", "0x"]
    report = health.snapshot()
    assert (report.status_code, report.dependencies) == (200, {"executor.12345": "ok"})
    assert all(topic in report.details["executor.12345"] for topic in topics)


def gateway(chain: FakeChain, log: MemoryLog, clock: FakeClock, metrics: Metrics) -> GatewayFollower:
    settings = GatewaySettings(input_verification_address=f"0x{GATEWAY.hex()}", start_block=1)
    return GatewayFollower(chain, log, settings, Router({12345: "ours"}), clock, metrics)


def request(number: int, data: bytes) -> Log:
    words = [value.to_bytes(32, "big") for value in (number, 12345)]
    return a_log(GATEWAY, number, data, (VERIFY_PROOF_REQUEST_TOPIC, *words))


async def test_what_the_gateway_answers_and_asks_is_counted(log: MemoryLog, clock: FakeClock) -> None:
    metrics, chain = Metrics(), FakeChain(length=2)
    types, account = ["address", "address", "bytes", "bytes"], "0x" + "11" * 20
    good = encode(types, [account, account, b"list", b"\0"])
    chain.mine(1, [request(1, good), request(2, b"noise")])
    await gateway(chain, log, clock, metrics).step()
    assert 'cipherstream_gateway_ranges{tenant="ours"} 1.0' in lines(metrics)
    for name in (
        "coprocessor_gw_listener_get_block_num_success_counter 1.0",
        "coprocessor_gw_listener_get_block_num_fail_counter 0.0",
        "coprocessor_gw_listener_get_logs_success_counter 1.0",
        "coprocessor_gw_listener_get_logs_fail_counter 0.0",
        "coprocessor_gw_listener_verify_proof_success_counter 1.0",
        "coprocessor_gw_listener_verify_proof_fail_counter 1.0",
    ):
        assert name in lines(metrics)


async def test_a_gateway_that_does_not_answer_is_counted(log: MemoryLog, clock: FakeClock) -> None:
    metrics, chain = Metrics(), DroppingLogs(length=3)
    follower = gateway(chain, log, clock, metrics)
    with pytest.raises(RpcError, match="too many logs"):
        await follower.step()

    async def gone() -> None:
        raise RpcError("the node is away")

    chain.head = gone  # type: ignore[method-assign, assignment]
    with pytest.raises(RpcError, match="away"):
        await follower.step()
    for name in (
        "coprocessor_gw_listener_get_block_num_success_counter 1.0",
        "coprocessor_gw_listener_get_block_num_fail_counter 1.0",
        "coprocessor_gw_listener_get_logs_success_counter 0.0",
        "coprocessor_gw_listener_get_logs_fail_counter 1.0",
    ):
        assert name in lines(metrics)


def key_log(ident: int, body: bytes) -> Log:
    digest = digest_of(Material.KEYSET, body)
    data = encode(["uint256", "string[]", "(uint8,bytes)[]"], [ident, [URL], [(3, digest)]])
    return a_log(KEYS, ident, data, (event_topic("ActivateKey(uint256,string[],(uint8,bytes)[])"),))


def crs_log(ident: int, body: bytes) -> Log:
    data = encode(["uint256", "string[]", "bytes"], [ident, [URL], digest_of(Material.CRS, body)])
    return a_log(KEYS, ident, data, (event_topic("ActivateCrs(uint256,string[],bytes)"),))


async def test_activations_are_counted_as_they_end(
    log: MemoryLog, host: HostChainSettings, tmp_path: Path
) -> None:
    metrics, chain = Metrics(), FakeChain(length=4)
    objects = {
        f"{URL}/PUB/CompressedXofKeySet/{1:064x}": KEYSET,
        f"{URL}/PUB/CRS/{2:064x}": CRS,
        f"{URL}/PUB/CompressedXofKeySet/{3:064x}": KEYSET,
        f"{URL}/PUB/CRS/{4:064x}": CRS,
    }
    canonical = host.model_copy(update={"kms_generation_address": f"0x{KEYS.hex()}", "finality_lag": 0})
    store = KeyStore(tmp_path, Storage(objects).client())
    fetcher = KeyFetcher(chain, log, store, canonical, ("ours",), metrics)
    prefix = "coprocessor_host_listener"
    assert f"{prefix}_key_digest_mismatch_counter 0.0" in lines(metrics)
    undecodable = a_log(KEYS, 5, b"", (event_topic("ActivateCrs(uint256,string[],bytes)"),))
    logs = [key_log(1, KEYSET), crs_log(2, CRS), key_log(3, b"other"), crs_log(4, b"other"), undecodable]
    chain.mine(1, logs)
    await fetcher.step()
    for name in (
        "coprocessor_host_listener_activate_key_success_counter",
        "coprocessor_host_listener_activate_key_fail_counter",
        "coprocessor_host_listener_activate_crs_success_counter",
        "coprocessor_host_listener_activate_crs_fail_counter",
        "coprocessor_host_listener_key_digest_mismatch_counter",
        "coprocessor_host_listener_crs_digest_mismatch_counter",
        "coprocessor_host_listener_kms_event_decode_fail_counter",
    ):
        assert f"{name} 1.0" in lines(metrics)
