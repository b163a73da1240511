"""Activations of keys on the canonical chain: final ones are downloaded, checked, announced and told.

Its place is the chain itself: from the first block on it looks at final activations again after every start,
skips those that `keysets.v1` has, and then compares each tenant's log. So a crash anywhere is repaired.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import structlog

from streams.adapters.ethereum.chain import Head
from streams.adapters.key_store import DigestMismatch, KeyStore, Material
from streams.adapters.telemetry.metrics import Metrics
from streams.adapters.telemetry.tracing import OFF, Tracing
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import KeyMaterialError, KeyMissing, UndecodableLog
from streams.domain.events import ActivateCrs, ActivateKey, decode_host_log
from streams.domain.facts import Log as ChainLog
from streams.fhe.key_objects import KeyObject, recognised
from streams.fhe.keyset import RELEASES
from streams.ports import Log
from streams.services.crashpoints import crashpoint
from streams.services.listener.key_facts import announce, announced, tell
from streams.services.listener.reading import BlockSource, LogReader, LogSource, linked
from streams.settings import HostChainSettings

# Key types of an activation. A set in one object is taken where there is one, as the network's operators do.
SERVER_KEY: Final = 0
PUBLIC_KEY: Final = 1
COMPRESSED_KEYSET: Final = 3
RECENT_BLOCKS: Final = 1_000  # below the head: of these a node may have the block and not find its logs yet
_HEADERS_MAX: Final = 100  # asked for at once
_RANGE_BLOCKS: Final = 10_000
_UNDECODABLE: Final = "coprocessor_host_listener_kms_event_decode_fail_counter"
_SUCCESS: Final = {
    "key": "coprocessor_host_listener_activate_key_success_counter",
    "crs": "coprocessor_host_listener_activate_crs_success_counter",
}
_FAIL: Final = {
    "key": "coprocessor_host_listener_activate_key_fail_counter",
    "crs": "coprocessor_host_listener_activate_crs_fail_counter",
}
_MISMATCH: Final = {
    "key": "coprocessor_host_listener_key_digest_mismatch_counter",
    "crs": "coprocessor_host_listener_crs_digest_mismatch_counter",
}
_log = structlog.get_logger(__name__)

Activation = ActivateKey | ActivateCrs


class ActivationChain(LogSource, BlockSource, Protocol):
    """What the fetcher asks of a node; raises RpcError."""

    async def head(self) -> Head:
        """The newest block."""
        ...


class KeyFetcher:
    """Runs in the canonical chain's listener; `step` is to be repeated."""

    def __init__(
        self,
        chain: ActivationChain,
        log: Log,
        store: KeyStore,
        host: HostChainSettings,
        tenants: Sequence[str],
        metrics: Metrics,
        tracing: Tracing = OFF,
    ) -> None:
        self._chain = chain
        self._log = log
        self._store = store
        contract = bytes.fromhex((host.kms_generation_address or "0x").removeprefix("0x"))
        self._reader = LogReader(chain, (contract,), _RANGE_BLOCKS)
        self._lag = host.finality_lag
        self._next = host.start_block
        self._tenants = tenants
        self._tracing = tracing
        self._metrics = metrics
        for name in (_UNDECODABLE, *_SUCCESS.values(), *_FAIL.values(), *_MISMATCH.values()):
            metrics.counter(name)  # from the start: an alarm needs the zero before the first failure
        self._announced: dict[bytes, Announcement] | None = None
        self._untold = True  # a tenant may lack what is announced; false only after everybody was told
        self._open: dict[bytes, Activation] = {}  # final and not announced, oldest first

    async def step(self) -> int:
        """Announce what became final and can be had; how many there were.

        Raises: RpcError, Moved, BrokerError, KeyMissing; then what can be had is announced, and the step is
            to be repeated.
        """
        if self._announced is None:
            await self._learn()
        await self._tell()
        head = (await self._chain.head()).number
        final, settled = head - self._lag, head - RECENT_BLOCKS
        while self._next <= final:
            if self._next <= settled:
                last = min(final, settled, self._next + _RANGE_BLOCKS - 1)
                logs = await self._settled(last)
            else:
                last = min(final, self._next + _HEADERS_MAX - 1)
                logs = await self._recent(last)
            for activation in filter(None, map(self._decode, logs)):
                self._note(activation)
            self._next = last + 1
        return await self._activate_open()

    async def _settled(self, last: int) -> list[ChainLog]:
        """Logs from the next block on, in one range. Of a head that is not true the blocks are missing."""
        await linked(self._chain, last, last)
        return [entry.log for entry in await self._reader.of_range(self._next, last)]

    async def _recent(self, last: int) -> list[ChainLog]:
        """The same, each block's against its header."""
        headers = await linked(self._chain, self._next, last)
        together = await self._reader.of_blocks(headers)
        found = [await self._reader.of_block(header, together.get(header.hash)) for header in headers]
        return list(itertools.chain.from_iterable(found))

    def _note(self, activation: Activation) -> None:
        assert self._announced is not None
        ident = _activated(activation)
        self._open[ident] = activation
        if ident in self._announced:
            self._close(activation)

    async def _activate_open(self) -> int:
        """All that can be had; one that cannot hides none that came later."""
        handled = 0
        missing: dict[bytes, KeyMissing] = {}
        for ident, activation in tuple(self._open.items()):
            if ident not in self._open:
                continue  # somebody else has, or a newer one
            try:
                handled += await self._activate(activation)
            except (DigestMismatch, KeyMaterialError) as error:
                # The same bytes again would be as wrong; a restart asks again, perhaps of a newer release.
                _log.error(str(error), action="key_refused", key_id=ident.hex())
                del self._open[ident]
            except KeyMissing as error:
                missing[ident] = error
        for ident in missing.keys() & self._open.keys():
            raise missing[ident]
        return handled

    def _close(self, done: Activation) -> None:
        """It is announced. Older ones of its kind will never be: told later, they would be taken as newer."""
        for ident, activation in tuple(self._open.items()):
            if type(activation) is not type(done):
                continue
            del self._open[ident]
            if activation is done:
                return
            _log.error("an older key could not be had", action="key_superseded", key_id=ident.hex())

    async def _learn(self) -> None:
        """What other listeners announced meanwhile."""
        found = {_ident(announcement): announcement for announcement in await announced(self._log)}
        # Before anything closes: what is closed is not looked at again, and its announcer may have died.
        self._untold |= self._announced is None or not found.keys() <= self._announced.keys()
        self._announced = found
        for ident, activation in tuple(self._open.items()):
            if ident in self._announced:
                self._close(activation)

    async def _tell(self) -> None:
        if self._untold:
            await tell(self._log, self._tenants, self._tracing)
            self._untold = False

    def _decode(self, log: ChainLog) -> Activation | None:
        try:
            event = decode_host_log(log.topics, log.data)
        except UndecodableLog as error:
            self._metrics.counter(_UNDECODABLE).inc()
            transaction = f"0x{log.transaction_hash.hex()}"
            _log.error(str(error), action="undecodable_activation", transaction=transaction)
            return None
        if isinstance(event, ActivateKey) and _wanted(event) is None:
            _log.error("a key without a server key or a set", action="key_ignored", key_id=event.key_id.hex())
            return None
        return event if isinstance(event, ActivateKey | ActivateCrs) else None

    async def _activate(self, activation: Activation) -> bool:
        """Download, announce and tell; whether nobody else had, nor a newer one."""
        assert self._announced is not None
        ident = _activated(activation)
        kind = "key" if isinstance(activation, ActivateKey) else "crs"
        try:
            announcement = await self._fetch(activation)
        except (KeyMissing, KeyMaterialError) as error:
            self._metrics.counter(_FAIL[kind]).inc()
            if isinstance(error, DigestMismatch):
                self._metrics.counter(_MISMATCH[kind]).inc()
            raise
        crashpoint("keys.downloaded")
        await self._learn()  # a download takes minutes
        is_due = ident in self._open
        if is_due:
            self._untold = True  # before: after an error the record may be there all the same
            await announce(self._log, announcement)
            self._announced[ident] = announcement
            self._close(activation)
            self._metrics.counter(_SUCCESS[kind]).inc()
        await self._tell()
        return is_due

    async def _fetch(self, activation: Activation) -> Announcement:
        if isinstance(activation, ActivateCrs):
            crs_id, digest, urls = activation.crs_id, activation.digest, activation.urls
            await self._store.fetch(Material.CRS, crs_id, digest, urls)
            return CrsAnnouncement(crs_id=crs_id, digest=digest, urls=urls)
        return await self._fetch_keyset(activation)

    async def _fetch_keyset(self, activation: ActivateKey) -> KeySetAnnouncement:
        material = _wanted(activation)
        assert material is not None  # or it would not be open
        key_id, urls = activation.key_id, activation.urls
        digest = _digest(activation, _KEY_TYPES[material])
        folder = await self._store.fetch(material, key_id, digest, urls)
        found = recognised(folder / material.file)
        public = _digest(activation, PUBLIC_KEY) if found is KeyObject.SERVER_KEY else b""
        if public:
            await self._store.fetch(Material.PUBLIC_KEY, key_id, public, urls)
        engine = "clear" if found is KeyObject.CLEAR else "tfhe-rs"
        return KeySetAnnouncement(
            key_id=key_id,
            digest=digest,
            engine=engine,
            release=RELEASES[engine],
            urls=urls,
            stored_as="ServerKey" if material is Material.SERVER_KEY else "CompressedXofKeySet",
            public_digest=public,
        )


_KEY_TYPES: Final[Mapping[Material, int]] = {
    Material.KEYSET: COMPRESSED_KEYSET,
    Material.SERVER_KEY: SERVER_KEY,
}


def _wanted(activation: ActivateKey) -> Material | None:
    """Which of the activated objects is taken as the key set."""
    return next((material for material, kind in _KEY_TYPES.items() if _digest(activation, kind)), None)


def _digest(activation: ActivateKey, key_type: int) -> bytes:
    digests = (entry.digest for entry in activation.digests if entry.key_type == key_type)
    return next(digests, b"")


def _activated(activation: Activation) -> bytes:
    return activation.key_id if isinstance(activation, ActivateKey) else activation.crs_id


def _ident(announcement: Announcement) -> bytes:
    return announcement.key_id if isinstance(announcement, KeySetAnnouncement) else announcement.crs_id
