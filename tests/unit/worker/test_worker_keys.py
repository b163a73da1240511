import asyncio
from pathlib import Path

import pytest
from worker_bench import Bench, NoChild

from streams.adapters.memory.clock import FakeClock, settle
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import (
    BrokerError,
    ConfigurationError,
    KeyMaterialError,
    KeyMissing,
    KeyPartMissing,
    KeyUnderived,
)
from streams.messages.codec import encode, key_of
from streams.services.worker.keys import NEWEST_WAIT_S, Keys


def keyset(number: int = 1, engine: str = "clear") -> KeySetAnnouncement:
    return KeySetAnnouncement(
        key_id=bytes([number]), digest=b"d", engine=engine, release="clear 1", urls=("http://a",)
    )


CRS = CrsAnnouncement(crs_id=b"crs", digest=b"d", urls=())


class Recorded(NoChild):
    def __init__(self) -> None:
        self.opened: list[tuple[bytes, Path]] = []
        self.at_once: list[bytes] = []

    async def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None:
        self._take(key_id, directory, at_once)

    async def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None:
        self._take(crs_id, file, at_once)

    def _take(self, identity: bytes, place: Path, at_once: bool) -> None:
        self.opened.append((identity, place))
        if at_once:
            self.at_once.append(identity)


class Flaky:
    """Key material that appears after some tries, or is bad."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)

    async def ensure(self, announcement: Announcement) -> Path:
        if self._failures:
            raise self._failures.pop(0)
        return Path("/keys")


def keys_of(bench: Bench, child: Recorded, *failures: Exception, needs_crs: bool = True) -> Keys:
    return Keys(bench.log, Flaky(*failures), child, bench.clock, engine="clear", needs_crs=needs_crs)


async def announce(bench: Bench, *announcements: Announcement) -> None:
    for announcement in announcements:
        await bench.log.append("keysets.v1", key=key_of(announcement), value=encode(announcement))


async def followed(bench: Bench, keys: Keys, *identities: bytes) -> None:
    running = asyncio.create_task(keys.run())
    for identity in identities:
        await keys.wait(identity)
    running.cancel()


async def test_what_was_announced_before_and_after_is_opened(bench: Bench) -> None:
    child = Recorded()
    keys = keys_of(bench, child)
    await announce(bench, keyset(1), CRS)
    running = asyncio.create_task(keys.run())
    await keys.wait(b"crs")
    await announce(bench, keyset(2))
    await keys.wait(b"\2")
    running.cancel()
    assert [identity for identity, _ in child.opened] == [b"\1", b"crs", b"\2"]
    assert keys.key_ids == (b"\1", b"\2")
    assert child.at_once == [b"\1", b"crs", b"\2"]


async def test_of_what_was_announced_before_only_the_newest_is_opened_at_once(bench: Bench) -> None:
    child = Recorded()
    keys = keys_of(bench, child)
    await announce(bench, keyset(1), keyset(2), CRS, keyset(3))
    await followed(bench, keys, b"\1", b"\2", b"\3")
    assert child.at_once == [b"crs", b"\3"]
    assert set(keys.key_ids) == {b"\1", b"\2", b"\3"}


async def test_a_key_set_can_prove_nothing_before_there_is_a_reference_string(bench: Bench) -> None:
    keys = keys_of(bench, Recorded())
    await keys.take(keyset(1))
    assert keys.key_ids == ()
    await keys.take(CRS)
    assert keys.key_ids == (b"\1",)


class Partly:
    """A store that never gets hold of one key set."""

    def __init__(self, lost: bytes) -> None:
        self._lost = lost

    async def ensure(self, announcement: Announcement) -> Path:
        if isinstance(announcement, KeySetAnnouncement) and announcement.key_id == self._lost:
            raise KeyMissing("the bucket is gone")
        return Path("/keys")


@pytest.mark.parametrize(("lost", "is_healthy"), [(b"\1", True), (b"\2", False)])
async def test_a_key_set_that_is_gone_does_not_hold_up_the_others(
    bench: Bench, lost: bytes, is_healthy: bool
) -> None:
    said: list[tuple[bool, str]] = []
    keys = Keys(
        bench.log,
        Partly(lost),
        NoChild(),
        bench.clock,
        engine="clear",
        on_state=lambda is_ok, detail: said.append((is_ok, detail)),
    )
    await announce(bench, keyset(1), keyset(2))
    await followed(bench, keys, b"\2" if lost == b"\1" else b"\1")
    assert said[-1] == (is_healthy, f"1 known; {lost.hex()}: the bucket is gone")


async def test_work_that_lacks_a_part_is_held_at_once_and_not_any_more_when_it_came(bench: Bench) -> None:
    clock, said = FakeClock(), list[tuple[bool, str]]()
    lacking = Flaky(KeyPartMissing("no public key"))
    keys = Keys(
        *(bench.log, lacking, Recorded(), clock), engine="clear", on_state=lambda *how: said.append(how)
    )
    taking = asyncio.create_task(keys.take(keyset()))
    await settle()
    with pytest.raises(KeyPartMissing, match="no public key"):
        await keys.wait(b"\1")
    assert (said[-1], keys.key_ids) == ((False, "0 known; 01: no public key"), ())
    await clock.advance(1)
    await taking
    await keys.wait(b"\1")
    assert said[-1] == (True, "1 known")


async def test_what_this_machine_could_not_derive_is_told_and_tried_again_after_a_pause(bench: Bench) -> None:
    clock, said = FakeClock(), list[tuple[bool, str]]()
    short = Flaky(KeyUnderived("was ended by signal 9"), KeyUnderived("No space left"))
    keys = Keys(
        *(bench.log, short, Recorded(), clock), engine="clear", on_state=lambda *how: said.append(how)
    )
    taking = asyncio.create_task(keys.take(keyset()))
    await settle()
    assert said[-1] == (False, "0 known; 01: was ended by signal 9")
    await clock.advance(29)
    assert len(said) == 1
    await clock.advance(2)
    assert said[-1] == (False, "0 known; 01: No space left")
    await clock.advance(31)
    await taking
    assert (said[-1], keys.key_ids) == ((True, "1 known"), (b"\1",))


async def test_an_announcement_that_comes_again_is_known(bench: Bench) -> None:
    child = Recorded()
    await announce(bench, keyset(), keyset(), CRS)
    await followed(bench, keys_of(bench, child), b"crs")
    assert len(child.opened) == 2


async def test_tombstones_and_foreign_bytes_are_passed_over(bench: Bench) -> None:
    child = Recorded()
    await bench.log.append("keysets.v1", key=b"keyset/00", value=None)
    await bench.log.append("keysets.v1", key=b"keyset/00", value=b"foreign")
    await announce(bench, keyset())
    await followed(bench, keys_of(bench, child), b"\1")


@pytest.mark.parametrize("lost", [b"\1", b"\2", b""])
async def test_a_worker_can_work_once_the_newest_key_set_is_open_or_known_to_be_away(
    bench: Bench, lost: bytes
) -> None:
    keys = Keys(bench.log, Partly(lost), NoChild(), bench.clock, engine="clear")
    await announce(bench, keyset(1), keyset(2))
    running = asyncio.create_task(keys.run())
    await keys.usable()
    running.cancel()
    assert set(keys.key_ids) == {b"\1", b"\2"} - {lost}


class Slow(Partly):
    """A store that is at one key set for ever."""

    async def ensure(self, announcement: Announcement) -> Path:
        if isinstance(announcement, KeySetAnnouncement) and announcement.key_id == self._lost:
            await asyncio.Event().wait()
        return await super().ensure(announcement)


@pytest.mark.parametrize("slow", [b"\1", b"\2"])
async def test_a_worker_waits_for_the_newest_key_set_no_longer_than_a_minute(
    bench: Bench, slow: bytes
) -> None:
    clock = FakeClock()
    keys = Keys(bench.log, Slow(slow), NoChild(), clock, engine="clear")
    await announce(bench, keyset(1), keyset(2))
    running = asyncio.create_task(keys.run())
    usable = asyncio.create_task(keys.usable())
    await clock.advance(NEWEST_WAIT_S - 1)
    # only the newest one is waited for
    assert usable.done() is (slow == b"\1")
    await clock.advance(2)
    assert usable.done()
    running.cancel()


async def test_a_worker_without_any_key_set_is_not_usable_however_long_it_waits(bench: Bench) -> None:
    clock = FakeClock()
    keys = Keys(bench.log, Slow(b"\1"), NoChild(), clock, engine="clear")
    await announce(bench, keyset(1))
    running = asyncio.create_task(keys.run())
    usable = asyncio.create_task(keys.usable())
    await clock.advance(10 * NEWEST_WAIT_S)
    assert not usable.done()
    for task in (running, usable):
        task.cancel()


async def test_a_worker_whose_newest_key_set_is_bad_was_never_able_to_work(bench: Bench) -> None:
    class Bad(Partly):
        async def ensure(self, announcement: Announcement) -> Path:
            await asyncio.sleep(0)
            if isinstance(announcement, KeySetAnnouncement) and announcement.key_id == b"\2":
                raise KeyMaterialError("cut")
            return await super().ensure(announcement)

    keys = Keys(bench.log, Bad(b""), NoChild(), bench.clock, engine="clear")
    await announce(bench, keyset(1), keyset(2))
    able = asyncio.create_task(keys.usable())
    with pytest.raises(ExceptionGroup):
        await keys.run()
    assert not able.done()
    able.cancel()


async def test_a_download_is_tried_until_it_succeeds(bench: Bench) -> None:
    child = Recorded()
    await announce(bench, keyset())
    await followed(bench, keys_of(bench, child, KeyMissing("away"), KeyMissing("away")), b"\1")
    assert child.opened == [(b"\1", Path("/keys"))]


async def test_a_worker_without_proofs_leaves_reference_strings_alone(bench: Bench) -> None:
    child = Recorded()
    await announce(bench, CRS, keyset())
    await followed(bench, keys_of(bench, child, needs_crs=False), b"\1")
    assert [identity for identity, _ in child.opened] == [b"\1"]


async def test_another_engine_is_fatal_and_both_are_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="engine tfhe-rs, this worker's is clear"):
        await keys_of(bench, Recorded()).take(keyset(engine="tfhe-rs"))


async def test_another_release_is_fatal_and_both_are_named(bench: Bench) -> None:
    foreign = KeySetAnnouncement(key_id=b"\1", digest=b"d", engine="clear", release="clear 0", urls=())
    await announce(bench, foreign)
    with pytest.raises(ExceptionGroup) as caught:
        await keys_of(bench, Recorded()).run()
    (error,) = leaves(caught.value)
    assert isinstance(error, ConfigurationError)
    assert (
        str(error) == "key set 01 is of the release clear 0, this is clear 1: run the version that speaks it"
    )


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


async def test_a_bad_key_file_is_fatal(bench: Bench) -> None:
    with pytest.raises(KeyMaterialError):
        await keys_of(bench, Recorded(), KeyMaterialError("cut")).take(keyset())


async def test_an_item_waits_for_its_key_and_then_no_longer(bench: Bench) -> None:
    keys = keys_of(bench, Recorded())
    waiting = asyncio.create_task(keys.wait(b"\1"))
    await asyncio.sleep(0)
    assert not waiting.done()
    await keys.take(keyset())
    await waiting
    with pytest.raises(KeyMissing):
        await keys.wait(b"\2", timeout_s=0)


async def test_a_broker_that_is_away_is_asked_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    partitions = bench.log.partitions

    async def later(topic: str) -> int:
        asked.append(topic)
        if len(asked) < 3:
            raise BrokerError("away")
        return await partitions(topic)

    monkeypatch.setattr(bench.log, "partitions", later)
    await announce(bench, keyset())
    await followed(bench, keys_of(bench, Recorded()), b"\1")
    assert len(asked) == 3
