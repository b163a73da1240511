"""Activated keys: downloaded after finality, announced once, told to every tenant, whatever is killed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from eth_abi.abi import encode
from fake_chain import FakeChain, a_log, facts_of
from key_urls import CRS, KEYSET, URL, Storage, digest_of, serialised

from streams.adapters.ethereum.chain import Head
from streams.adapters.key_store import KeyStore, Material
from streams.adapters.memory.clock import FakeClock
from streams.adapters.memory.log import MemoryLog
from streams.adapters.telemetry.metrics import Metrics
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.digest import event_topic
from streams.domain.errors import BrokerError, KeyMissing, RpcError
from streams.domain.facts import CrsActivated, HostBlock, KeyActivated, Log
from streams.fhe.keyset import RELEASES
from streams.messages.topics import EVENTS
from streams.services.listener.host import HostFollower
from streams.services.listener.key_facts import KEYSETS, announce, announced
from streams.services.listener.key_fetcher import RECENT_BLOCKS, KeyFetcher
from streams.services.listener.reading import Moved
from streams.settings import HostChainSettings

CONTRACT = b"\xcc" * 20
TENANTS = ("ours", "other", "gateway")
LAG = 2
KeyActivation = KeyActivated | CrsActivated
CRS_KEY = f"crs/{2:064x}".encode()
KillAt = Callable[[str], type[BaseException]]
XOF = serialised("high_level_api::CompressedXofKeySet")
SERVER, PUBLIC = serialised("high_level_api::CompressedServerKey"), b"public key"
OBJECTS: dict[str, bytes | int] = {
    f"{URL}/PUB/CompressedXofKeySet/{1:064x}": KEYSET,
    f"{URL}/PUB/CRS/{2:064x}": CRS,
    f"{URL}/PUB/CompressedXofKeySet/{3:064x}": XOF,
}


def key_log(ident: int, body: bytes) -> Log:
    return activation_log(ident, {0: b"another form of it", 3: body})


def activation_log(ident: int, bodies: Mapping[int, bytes]) -> Log:
    """Activation of objects by key type."""
    digests = [(kind, digest_of(Material.KEYSET, body)) for kind, body in bodies.items()]
    data = encode(["uint256", "string[]", "(uint8,bytes)[]"], [ident, [URL], digests])
    return a_log(CONTRACT, ident, data, (event_topic("ActivateKey(uint256,string[],(uint8,bytes)[])"),))


def crs_log(ident: int) -> Log:
    data = encode(["uint256", "string[]", "bytes"], [ident, [URL], digest_of(Material.CRS, CRS)])
    return a_log(CONTRACT, ident, data, (event_topic("ActivateCrs(uint256,string[],bytes)"),))


class Rig:
    """A chain with a key contract; fetchers come and go."""

    def __init__(self, log: MemoryLog, host: HostChainSettings, folder: Path) -> None:
        self.log = log
        self.chain = FakeChain(length=4)
        self.storage = Storage(OBJECTS)
        self.metrics = Metrics()
        contract = {"kms_generation_address": "0x" + CONTRACT.hex(), "finality_lag": LAG}
        self.host = host.model_copy(update=contract)
        self.folder = folder

    def fetcher(self, tenants: tuple[str, ...] = TENANTS) -> KeyFetcher:
        store = KeyStore(self.folder, self.storage.client())
        return KeyFetcher(self.chain, self.log, store, self.host, tenants, self.metrics)

    def told(self, tenant: str) -> list[KeyActivation]:
        return [fact for fact in facts_of(self.log, tenant) if isinstance(fact, KeyActivation)]

    def ids(self, tenant: str) -> list[int]:
        found = (fact.key_id if isinstance(fact, KeyActivated) else fact.crs_id for fact in self.told(tenant))
        return [int.from_bytes(ident, "big") for ident in found]

    def counted(self, name: str) -> float | None:
        return self.metrics.value(f"coprocessor_host_listener_{name}_counter")


@pytest.fixture
def rig(log: MemoryLog, host: HostChainSettings, tmp_path: Path) -> Rig:
    return Rig(log, host, tmp_path)


async def test_an_activation_counts_when_it_is_final(rig: Rig) -> None:
    fetcher = rig.fetcher()
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2)])
    assert await fetcher.step() == 0
    rig.chain.mine(LAG)
    assert await fetcher.step() == 2
    for tenant in TENANTS:
        assert rig.ids(tenant) == [1, 2]
    assert await fetcher.step() == 0


async def test_the_announcement_says_engine_and_release_and_never_the_key(rig: Rig) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2), key_log(3, XOF)])
    rig.chain.mine(LAG)
    await rig.fetcher().step()
    clear, crs, other = await announced(rig.log)
    assert isinstance(clear, KeySetAnnouncement)
    assert isinstance(crs, CrsAnnouncement)
    assert isinstance(other, KeySetAnnouncement)
    assert (clear.engine, clear.release) == ("clear", RELEASES["clear"])
    assert (other.engine, other.release) == ("tfhe-rs", RELEASES["tfhe-rs"])
    first = rig.told("ours")[0]
    assert isinstance(first, KeyActivated)
    assert (first.engine, first.digest) == ("clear", digest_of(Material.KEYSET, KEYSET))
    keys = [record.key for record in rig.log.records(KEYSETS)]
    assert keys == [f"keyset/{1:064x}".encode(), f"crs/{2:064x}".encode(), f"keyset/{3:064x}".encode()]


async def test_a_restart_repeats_nothing_that_is_there(rig: Rig) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    for _ in range(2):
        await rig.fetcher().step()
    assert rig.ids("ours") == [1]
    assert len(rig.log.records(KEYSETS)) == 1


async def test_a_tenant_never_hears_of_a_newer_key_alone(rig: Rig) -> None:
    fetcher = rig.fetcher()
    await fetcher.step()
    older = KeySetAnnouncement(key_id=bytes(32), digest=b"d", engine="clear", release="r", urls=())
    await announce(rig.log, older)  # by the listener of another chain, which tells its own tenant only
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    await fetcher.step()
    assert rig.ids("ours") == [0, 1]


async def test_a_tenant_whose_log_lacks_a_key_is_told_at_the_next_start(rig: Rig) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2)])
    rig.chain.mine(LAG)
    await rig.fetcher(("ours",)).step()
    assert rig.ids("other") == []
    await rig.fetcher().step()
    assert rig.ids("other") == [1, 2]
    assert rig.ids("ours") == [1, 2]


@pytest.mark.parametrize(
    "point",
    ["keys.downloaded", "keys.announced", "keys.produced", "keys.acknowledged", "keys.between_tenants"],
)
async def test_a_kill_between_any_two_steps_tells_every_tenant(rig: Rig, kill_at: KillAt, point: str) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2)])
    rig.chain.mine(LAG)
    killed = kill_at(point)
    with pytest.raises(killed):
        await rig.fetcher().step()
    await rig.fetcher().step()
    for tenant in TENANTS:
        assert list(dict.fromkeys(rig.ids(tenant))) == [1, 2]
    assert len(rig.storage.asked) == 2


async def test_material_that_is_not_there_is_asked_for_beside_the_rest(rig: Rig) -> None:
    url, body = next(iter(OBJECTS.items()))
    del rig.storage.objects[url]
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2)])
    rig.chain.mine(LAG)
    fetcher = rig.fetcher()
    with pytest.raises(KeyMissing):
        await fetcher.step()
    assert rig.ids("ours") == [2]
    rig.storage.objects[url] = body
    assert await fetcher.step() == 1
    assert rig.ids("ours") == [2, 1]
    assert rig.counted("activate_key_fail") == 1
    assert rig.counted("activate_key_success") == 1


async def test_other_bytes_than_the_activated_are_counted_and_never_announced(rig: Rig) -> None:
    rig.storage.objects[next(iter(OBJECTS))] = b"other bytes"
    rig.chain.mine(1 + LAG)
    rig.chain.branch.pop()
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    assert await rig.fetcher().step() == 0
    assert rig.counted("key_digest_mismatch") == 1
    assert await announced(rig.log) == []


@pytest.mark.parametrize("old", [404, b"other bytes"], ids=["unreachable", "wrong"])
async def test_an_old_key_that_cannot_be_had_does_not_hide_the_active_one(rig: Rig, old: int | bytes) -> None:
    url, body = next(iter(OBJECTS.items()))
    rig.storage.objects[url] = old
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(1, [key_log(3, XOF)])
    rig.chain.mine(LAG)
    assert await rig.fetcher().step() == 1
    rig.storage.objects[url] = body
    fetcher = rig.fetcher()
    for _ in range(2):
        assert await fetcher.step() == 0
    assert rig.ids("ours") == [3], "the old one, told later, would be taken as the active one"


async def test_what_another_listener_announced_meanwhile_is_not_announced_again(rig: Rig) -> None:
    ours, other = rig.fetcher(), rig.fetcher()
    await ours.step()
    rig.chain.mine(1, [key_log(1, KEYSET), crs_log(2)])
    rig.chain.mine(LAG)
    await other.step()
    await ours.step()
    assert [record.key for record in rig.log.records(KEYSETS)] == [f"keyset/{1:064x}".encode(), CRS_KEY]
    assert rig.ids("ours") == [1, 2]


async def test_an_old_key_that_another_listener_went_past_is_not_told_after_the_newer_one(rig: Rig) -> None:
    """Told then, it would be the active key of everybody."""
    url, body = next(iter(OBJECTS.items()))
    slow, other = rig.fetcher(), rig.fetcher()
    await slow.step()
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(1, [key_log(3, XOF)])
    rig.chain.mine(LAG)
    del rig.storage.objects[url]
    assert await other.step() == 1
    rig.storage.objects[url] = body
    for _ in range(2):
        await slow.step()
    assert rig.ids("ours") == [3]
    rig.chain.mine(1, [key_log(4, KEYSET)])
    rig.chain.mine(LAG)
    rig.storage.objects[f"{URL}/PUB/CompressedXofKeySet/{4:064x}"] = KEYSET
    assert await slow.step() == 1
    assert rig.ids("ours") == [3, 4]


async def test_an_activation_that_the_node_does_not_find_yet_is_waited_for(rig: Rig) -> None:
    """Its index of logs is behind its blocks, which a range alone does not show."""
    rig.chain.mine(1, [key_log(1, KEYSET)])
    at = rig.chain.mine(1, [crs_log(2)]).hash
    rig.chain.mine(LAG)
    found = rig.chain.logs.pop(at)
    fetcher = rig.fetcher()
    for _ in range(2):
        with pytest.raises(RpcError, match="lacks logs"):
            await fetcher.step()
    rig.chain.logs[at] = found
    await fetcher.step()
    assert rig.ids("ours") == [1, 2]


@pytest.mark.parametrize("false_number", [100, 1_000_000])
async def test_a_head_that_is_not_there_hides_no_activation(rig: Rig, false_number: int) -> None:
    fetcher, true_head = rig.fetcher(), rig.chain.head
    false_head = Head(false_number, b"\xff" * 32, bytes(32), 0)
    rig.chain.head = AsyncMock(return_value=false_head)  # type: ignore[method-assign]
    with pytest.raises(Moved):
        await fetcher.step()
    rig.chain.head = true_head  # type: ignore[method-assign]
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    assert await fetcher.step() == 1


async def test_what_lies_deep_is_read_in_ranges(rig: Rig) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(3 * RECENT_BLOCKS)
    rig.chain.mine(1, [crs_log(2)])
    rig.chain.mine(LAG)
    asked = AsyncMock(side_effect=rig.chain.blocks)
    rig.chain.blocks = asked  # type: ignore[method-assign]
    assert await rig.fetcher().step() == 2
    assert sum(len(call.args[0]) for call in asked.await_args_list) <= RECENT_BLOCKS + 1


def stored(rig: Rig, **objects: bytes) -> None:
    rig.storage.objects.update({f"{URL}/PUB/{kind}/{7:064x}": body for kind, body in objects.items()})


async def test_a_server_key_is_announced_with_its_public_key(rig: Rig) -> None:
    stored(rig, ServerKey=SERVER, PublicKey=PUBLIC)
    rig.chain.mine(1, [activation_log(7, {0: SERVER, 1: PUBLIC})])
    rig.chain.mine(LAG)
    assert await rig.fetcher().step() == 1
    (announcement,) = await announced(rig.log)
    assert isinstance(announcement, KeySetAnnouncement)
    assert (announcement.engine, announcement.stored_as) == ("tfhe-rs", "ServerKey")
    assert announcement.digest == digest_of(Material.SERVER_KEY, SERVER)
    assert announcement.public_digest == digest_of(Material.PUBLIC_KEY, PUBLIC)
    assert rig.ids("ours") == [7]


async def test_a_server_key_waits_for_the_public_key_that_was_activated_with_it(rig: Rig) -> None:
    stored(rig, ServerKey=SERVER)
    rig.chain.mine(1, [activation_log(7, {0: SERVER, 1: PUBLIC})])
    rig.chain.mine(LAG)
    fetcher = rig.fetcher()
    with pytest.raises(KeyMissing):
        await fetcher.step()
    assert rig.ids("ours") == []
    stored(rig, PublicKey=PUBLIC)
    assert await fetcher.step() == 1
    assert rig.ids("ours") == [7]


async def test_a_server_key_that_was_activated_alone_is_announced_alone(rig: Rig) -> None:
    stored(rig, ServerKey=SERVER)
    rig.chain.mine(1, [activation_log(7, {0: SERVER})])
    rig.chain.mine(LAG)
    await rig.fetcher().step()
    (announcement,) = await announced(rig.log)
    assert isinstance(announcement, KeySetAnnouncement)
    assert announcement.public_digest == b""


async def test_which_object_it_is_is_read_from_it_and_not_from_its_place(rig: Rig) -> None:
    stored(rig, CompressedXofKeySet=SERVER, PublicKey=PUBLIC)
    rig.chain.mine(1, [activation_log(7, {1: PUBLIC, 3: SERVER})])
    rig.chain.mine(LAG)
    await rig.fetcher().step()
    (announcement,) = await announced(rig.log)
    assert isinstance(announcement, KeySetAnnouncement)
    assert announcement.stored_as == "CompressedXofKeySet"
    assert announcement.public_digest == digest_of(Material.PUBLIC_KEY, PUBLIC)


@pytest.mark.parametrize("body", [b"nothing known", serialised("high_level_api::ServerKey")])
async def test_another_object_is_refused_and_the_older_key_stays(rig: Rig, body: bytes) -> None:
    stored(rig, ServerKey=body)
    rig.chain.mine(1, [key_log(1, KEYSET), activation_log(7, {0: body}), crs_log(2)])
    rig.chain.mine(LAG)
    fetcher = rig.fetcher()
    assert await fetcher.step() == 2
    assert rig.ids("ours") == [1, 2]
    assert rig.counted("activate_key_fail") == 1
    asked = len(rig.storage.asked)
    assert await fetcher.step() == 0
    await rig.fetcher().step()
    assert len(rig.storage.asked) == asked, "what was downloaded is kept for a release that can read it"


async def test_events_that_cannot_be_used_are_passed_over(rig: Rig) -> None:
    broken = a_log(CONTRACT, 0, b"short", (event_topic("ActivateCrs(uint256,string[],bytes)"),))
    rig.chain.mine(1, [broken, activation_log(1, {1: PUBLIC}), a_log(CONTRACT, 7), crs_log(2)])
    rig.chain.mine(LAG)
    assert await rig.fetcher().step() == 1
    assert rig.ids("ours") == [2]


async def test_a_lost_fact_is_told_again_after_the_restart(rig: Rig) -> None:
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    rig.log.fail_next(EVENTS)
    with pytest.raises(BrokerError):
        await rig.fetcher().step()
    await rig.fetcher().step()
    assert [rig.ids(tenant) for tenant in TENANTS] == [[1], [1], [1]]


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_an_announced_key_is_told_once_the_broker_is_back(rig: Rig, failures: int) -> None:
    fetcher = rig.fetcher()
    await fetcher.step()
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    for _ in range(failures):
        rig.log.fail_next(EVENTS)
    for _ in range(failures):
        with pytest.raises(BrokerError):
            await fetcher.step()
    await fetcher.step()
    assert [rig.ids(tenant) for tenant in TENANTS] == [[1], [1], [1]]
    assert len(rig.log.records(KEYSETS)) == 1


async def test_what_another_listener_announced_and_did_not_tell_is_told(rig: Rig, kill_at: KillAt) -> None:
    ours, other = rig.fetcher(), rig.fetcher()
    await ours.step()
    rig.chain.mine(1, [key_log(1, KEYSET)])
    rig.chain.mine(LAG)
    killed = kill_at("keys.announced")
    with pytest.raises(killed):
        await other.step()
    rig.log.fail_next(EVENTS)
    with pytest.raises(BrokerError):
        await ours.step()
    await ours.step()
    assert [rig.ids(tenant) for tenant in TENANTS] == [[1], [1], [1]]


async def test_keys_are_told_in_the_order_of_the_log_whatever_the_clocks_say(
    rig: Rig, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ident, now_ms in ((1, 2_000), (2, 1_000)):
        monkeypatch.setattr(log, "_clock", FakeClock(now_ms))
        key_id = ident.to_bytes(32, "big")
        await announce(
            log, KeySetAnnouncement(key_id=key_id, digest=b"d", engine="clear", release="r", urls=())
        )
    await rig.fetcher().step()
    assert rig.ids("ours") == [1, 2]


async def test_a_new_tenant_hears_of_the_active_keys_before_its_anchor(rig: Rig, clock: FakeClock) -> None:
    await announce(rig.log, CrsAnnouncement(crs_id=b"\2" * 32, digest=b"\3" * 32, urls=()))
    follower = HostFollower(rig.chain, rig.log, rig.host, clock, Metrics())
    await follower.step()
    crs, block = facts_of(rig.log, follower.tenant)
    assert isinstance(crs, CrsActivated)
    assert isinstance(block, HostBlock)
    assert block.anchor
