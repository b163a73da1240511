"""Key material on this machine: what is activated is downloaded once, and derived once, for all workers."""

import asyncio
import contextlib
import os
from pathlib import Path

from streams.adapters.key_store import KeyStore as Downloads
from streams.adapters.key_store import Material as Kind
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.fhe.keyset import KeyStore


class Material:
    """Files by purpose and reference strings by announcement; both stores share one root."""

    def __init__(self, downloads: Downloads, store: KeyStore) -> None:
        self._downloads = downloads
        self._store = store
        self._deriving = asyncio.Lock()  # it blocks for long: one I/O thread, and others for all else

    async def ensure(self, announcement: Announcement) -> Path:
        """Folder with a key set's files by purpose, or file of a reference string.

        Raises:
            KeyMissing: no storage URL has it now.
            KeyMaterialError: it does not decode, or was derived by another release.
        """
        if isinstance(announcement, CrsAnnouncement):
            return await self._crs(announcement)
        return await self._keyset(announcement)

    async def _keyset(self, announcement: KeySetAnnouncement) -> Path:
        digest = announcement.digest
        ready = self._store.ready(digest)
        if ready is not None:
            return ready.folder
        if not self._store.keyset(digest).exists():
            folder = await self._downloads.ensure(announcement)
            _link(folder / Kind.KEYSET.file, self._store.keyset(digest))
        async with self._deriving:
            return (await asyncio.to_thread(self._store.derive, digest)).folder

    async def _crs(self, announcement: CrsAnnouncement) -> Path:
        here = self._store.crs(announcement.digest)
        if here.exists():
            return here
        return await self._downloads.ensure(announcement) / Kind.CRS.file


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another worker was first
        os.link(source, target)
