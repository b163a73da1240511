"""Keys of a worker: follows `keysets.v1`, has the material on this machine, makes it known to the child.

The newest key set is opened at once, older ones when an item names them; what is away holds up nothing else.
"""

import asyncio
from pathlib import Path
from typing import Final, Protocol

import structlog

from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import (
    BrokerError,
    ConfigurationError,
    KeyMissing,
    KeyPartMissing,
    KeyUnderived,
    Recoverable,
    Undecodable,
)
from streams.fhe.keyset import RELEASES
from streams.messages.codec import decode_announcement
from streams.messages.topics import KEYSETS
from streams.ports import Clock, Log, Record
from streams.services.first import first_of
from streams.services.worker.pool import OnState

KEY_WAIT_S: Final = 60.0  # an item holds its slot so long, then it is tried again later
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # then the last one for ever
NEWEST_WAIT_S: Final = 60.0  # for the newest key set, once there is another one to work with
_DERIVE_AGAIN_S: Final = 30.0  # it takes gigabytes of a machine that has just had too few

_UNTRIED: Final = "not looked for yet"

_log = structlog.get_logger(__name__)


class Store(Protocol):
    """Key material on this machine."""

    async def ensure(self, announcement: Announcement) -> Path:
        """Folder with a key set's files by purpose, or file of a reference string, both checked.

        Raises:
            Recoverable: it cannot be had now.
            KeyMaterialError: it is not what this release can use.
        """
        ...


class OpensKeys(Protocol):
    """What is asked of the pool here."""

    async def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool) -> None: ...

    async def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool) -> None: ...


class Keys:
    """Key sets and reference strings that the child can compute with."""

    def __init__(
        self,
        log: Log,
        store: Store,
        pool: OpensKeys,
        clock: Clock,
        *,
        engine: str,
        needs_crs: bool = False,
        on_state: OnState = lambda _ok, _detail: None,
    ) -> None:
        self._from = log
        self._store = store
        self._pool = pool
        self._clock = clock
        self._engine = engine
        self._needs_crs = needs_crs
        self._on_state = on_state
        self._opened: dict[bytes, asyncio.Event] = {}
        self._key_ids: list[bytes] = []
        self._has_crs = False
        self._newest: dict[type[Announcement], bytes] = {}
        self._away: dict[bytes, str] = {}  # why, by what is being tried now
        self._lacking: dict[bytes, str] = {}  # of these, what is here without a part
        self._is_read = asyncio.Event()  # what was announced before, so that the newest is known
        self._is_read.set()
        self._is_able = asyncio.Event()  # there is a key set to work with
        self._is_usable = asyncio.Event()  # and the newest one is open or was tried

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """Key sets that items may name: opened, with all parts that this work needs.

        None before there is a reference string, where proofs need one.
        """
        return tuple(self._key_ids) if self._has_crs or not self._needs_crs else ()

    async def run(self) -> None:
        """Follow the announcements for ever; raises Fatal on a key set of another engine or a bad file."""
        while True:
            try:
                await self._follow_all()
            # only the broker's errors: a Fatal in the same group ends the worker
            except* BrokerError as group:
                _log.warning("keysets are away", action="keysets_away", reason=str(group.exceptions[0]))
            await self._clock.sleep(_BACKOFF_S[1])

    async def wait(self, identity: bytes, timeout_s: float = KEY_WAIT_S) -> None:
        """Return when this key set or reference string is open.

        Raises: KeyMissing; at once and as KeyPartMissing when it is here without what this work needs.
        """
        if identity in self._lacking:
            raise KeyPartMissing(self._lacking[identity])
        try:
            async with asyncio.timeout(timeout_s):
                await self._event(identity).wait()
        except TimeoutError as error:
            raise KeyMissing(f"no key set or reference string {identity.hex()} here yet") from error

    async def usable(self) -> None:
        """Return when there is a key set to work with, and the newest one is open too or cannot be had now.

        A worker that cannot open the newest one ends with it: it need not have joined the others for that.
        But a slow storage keeps it no longer than NEWEST_WAIT_S from items of the key sets that it has.
        """
        await first_of(self._is_usable.wait(), self._has_waited())

    async def _has_waited(self) -> None:
        await self._is_able.wait()
        await self._clock.sleep(NEWEST_WAIT_S)

    async def take(self, announcement: Announcement) -> None:
        """Have this material; tries again until it succeeds. The one told last is opened at once.

        Raises: Fatal.
        """
        if self._is_news(announcement):
            await self._have(announcement)

    def _is_news(self, announcement: Announcement) -> bool:
        if not self._is_wanted(announcement):
            return False
        identity = identity_of(announcement)
        # in the order of the log: the last one told is the one that new items will name
        self._newest[type(announcement)] = identity
        return not self._event(identity).is_set() and identity not in self._away

    async def _have(self, announcement: Announcement) -> None:
        identity = identity_of(announcement)
        # marks it as being tried: a second announcement of the same key starts no second download
        self._away[identity] = _UNTRIED
        try:
            await self._open_at_last(announcement, identity)
        finally:
            self._away.pop(identity, None)
            self._lacking.pop(identity, None)
        self._tell()

    async def _open_at_last(self, announcement: Announcement, identity: bytes) -> None:
        tries = 0
        while not self._event(identity).is_set():
            try:
                await self._open(announcement, await self._store.ensure(announcement))
            except Recoverable as error:
                self._is_away(identity, error)
                is_underived = isinstance(error, KeyUnderived)
                pause_s = _DERIVE_AGAIN_S if is_underived else _BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)]
                await self._clock.sleep(pause_s)
                tries += 1

    def _is_away(self, identity: bytes, error: Recoverable) -> None:
        reason = self._away[identity] = str(error)
        self._lacking.pop(identity, None)
        if isinstance(error, KeyPartMissing):
            self._lacking[identity] = reason
            _log.warning("key lacks a part", action="key_part_missing", key_id=identity.hex(), reason=reason)
        else:
            _log.warning("key is away", action="key_away", key_id=identity.hex(), reason=reason)
        self._tell()

    async def _follow_all(self) -> None:
        unread = set(range(await self._from.partitions(KEYSETS)))
        self._is_read.clear()
        async with asyncio.TaskGroup() as group:
            for partition in tuple(unread):
                group.create_task(self._follow(partition, unread, group))

    async def _follow(self, partition: int, unread: set[int], group: asyncio.TaskGroup) -> None:
        first, end = await self._from.bounds(KEYSETS, partition)
        if first == end:
            self._mark_read(partition, unread)
        async for record in self._from.read(KEYSETS, partition, first):
            announcement = _decoded(record)
            if announcement is not None and self._is_news(announcement):
                group.create_task(self._have(announcement))
            if record.offset + 1 >= end:
                self._mark_read(partition, unread)

    def _mark_read(self, partition: int, unread: set[int]) -> None:
        unread.discard(partition)
        if not unread:
            self._is_read.set()

    def _tell(self) -> None:
        newest = self._newest.values()
        missing = [identity for identity in newest if not self._event(identity).is_set()]
        away = ", ".join(f"{identity.hex()}: {reason}" for identity, reason in self._away.items())
        if self.key_ids:
            self._is_able.set()
            if all(self._away.get(identity, _UNTRIED) != _UNTRIED for identity in missing):
                self._is_usable.set()
        self._on_state(not missing, f"{len(self._key_ids)} known" + (f"; {away}" if away else ""))

    def _is_wanted(self, announcement: Announcement) -> bool:
        if isinstance(announcement, CrsAnnouncement):
            return self._needs_crs
        if announcement.engine != self._engine:
            raise ConfigurationError(
                f"key set {announcement.key_id.hex()} is of the engine {announcement.engine},"
                f" this worker's is {self._engine}: set [engine] name"
            )
        _check_release(announcement)
        return True

    async def _open(self, announcement: Announcement, place: Path) -> None:
        # Not before the log was read to its end: older key sets would be loaded at once and closed again.
        await self._is_read.wait()
        identity = identity_of(announcement)
        at_once = self._newest[type(announcement)] == identity
        if isinstance(announcement, KeySetAnnouncement):
            await self._pool.open_keys(identity, place, at_once=at_once)
            self._key_ids.append(identity)
        else:
            await self._pool.open_crs(identity, place, at_once=at_once)
            self._has_crs = True
        self._event(identity).set()
        _log.info("key is known", action="key_opened", key_id=identity.hex(), at_once=at_once)

    def _event(self, identity: bytes) -> asyncio.Event:
        return self._opened.setdefault(identity, asyncio.Event())


def identity_of(announcement: Announcement) -> bytes:
    """What items call this material by."""
    if isinstance(announcement, KeySetAnnouncement):
        return announcement.key_id
    return announcement.crs_id


def _check_release(announcement: KeySetAnnouncement) -> None:
    # Another release may compute other bytes from the same keys, and nobody would notice before the gateway.
    ours = RELEASES.get(announcement.engine)
    if announcement.release != ours:
        raise ConfigurationError(
            f"key set {announcement.key_id.hex()} is of the release {announcement.release}, this is {ours}:"
            " run the version that speaks it"
        )


def _decoded(record: Record) -> Announcement | None:
    if record.value is None:
        return None  # withdrawn; items that still name it may finish
    try:
        return decode_announcement(record.value)
    except Undecodable as error:
        _log.error("not an announcement", action="announcement_refused", error=str(error))
        return None
