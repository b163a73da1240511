"""Keys of a worker: follows `keysets.v1`, has the material on this machine, opens it in the child."""

import asyncio
from pathlib import Path
from typing import Final, Protocol

import structlog

from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import BrokerError, ConfigurationError, KeyMissing, Recoverable, Undecodable
from streams.messages.codec import decode_announcement
from streams.messages.topics import KEYSETS
from streams.ports import Clock, Log, Record
from streams.services.worker.pool import OnState

KEY_WAIT_S: Final = 60.0  # an item holds its slot so long, then it is tried again later
_BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # then the last one for ever

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

    async def open_keys(self, key_id: bytes, directory: Path) -> None: ...

    async def open_crs(self, crs_id: bytes, file: Path) -> None: ...


class Keys:
    """Key sets and reference strings that the child has open."""

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

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """Key sets that items may name."""
        return tuple(self._key_ids)

    async def run(self) -> None:
        """Follow the announcements for ever; raises Fatal on a key set of another engine or a bad file."""
        while True:
            try:
                await self._follow_all()
            except* BrokerError as group:
                _log.warning("keysets are away", action="keysets_away", reason=str(group.exceptions[0]))
            await self._clock.sleep(_BACKOFF_S[1])

    async def wait(self, identity: bytes, timeout_s: float = KEY_WAIT_S) -> None:
        """Return when this key set or reference string is open; raises KeyMissing."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event(identity).wait()
        except TimeoutError as error:
            raise KeyMissing(f"no key set or reference string {identity.hex()} here yet") from error

    async def take(self, announcement: Announcement) -> None:
        """Have this material; tries again until it succeeds. Raises Fatal."""
        identity = identity_of(announcement)
        if self._event(identity).is_set() or not self._is_wanted(announcement):
            return
        tries = 0
        while not self._event(identity).is_set():
            try:
                await self._open(announcement, await self._store.ensure(announcement))
            except Recoverable as error:
                self._on_state(False, f"{identity.hex()}: {error}")
                _log.warning("key is away", action="key_away", key_id=identity.hex(), reason=str(error))
                await self._clock.sleep(_BACKOFF_S[min(tries, len(_BACKOFF_S) - 1)])
                tries += 1

    async def _follow_all(self) -> None:
        count = await self._from.partitions(KEYSETS)
        async with asyncio.TaskGroup() as group:
            for partition in range(count):
                group.create_task(self._follow(partition))

    async def _follow(self, partition: int) -> None:
        first, _ = await self._from.bounds(KEYSETS, partition)
        async for record in self._from.read(KEYSETS, partition, first):
            announcement = _decoded(record)
            if announcement is not None:
                await self.take(announcement)

    def _is_wanted(self, announcement: Announcement) -> bool:
        if isinstance(announcement, CrsAnnouncement):
            return self._needs_crs
        if announcement.engine != self._engine:
            raise ConfigurationError(
                f"key set {announcement.key_id.hex()} is of the engine {announcement.engine},"
                f" this worker's is {self._engine}"
            )
        return True

    async def _open(self, announcement: Announcement, place: Path) -> None:
        identity = identity_of(announcement)
        if isinstance(announcement, KeySetAnnouncement):
            await self._pool.open_keys(identity, place)
            self._key_ids.append(identity)
        else:
            await self._pool.open_crs(identity, place)
        self._event(identity).set()
        self._on_state(True, f"{len(self._key_ids)} open")
        _log.info("key is open", action="key_opened", key_id=identity.hex())

    def _event(self, identity: bytes) -> asyncio.Event:
        return self._opened.setdefault(identity, asyncio.Event())


def identity_of(announcement: Announcement) -> bytes:
    """What items call this material by."""
    if isinstance(announcement, KeySetAnnouncement):
        return announcement.key_id
    return announcement.crs_id


def _decoded(record: Record) -> Announcement | None:
    if record.value is None:
        return None  # withdrawn; items that still name it may finish
    try:
        return decode_announcement(record.value)
    except Undecodable as error:
        _log.error("not an announcement", action="announcement_refused", error=str(error))
        return None
