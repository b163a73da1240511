"""Key material on this machine: what is activated is downloaded once, and derived once, for all workers."""

import asyncio
import contextlib
import os
from pathlib import Path

from streams.adapters.key_store import KeyStore as Downloads
from streams.adapters.key_store import Material as Kind
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import KeyMissing
from streams.fhe.keyset import KeyStore


class Material:
    """Files by purpose and reference strings by announcement; both stores share one root."""

    def __init__(self, downloads: Downloads, store: KeyStore) -> None:
        self._downloads = downloads
        self._store = store

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
        if self._store.ready(digest) is None and not self._store.keyset(digest).exists():
            folder = await self._downloads.ensure(announcement)
            _link(folder / Kind.KEYSET.file, self._store.keyset(digest))
        return (await asyncio.to_thread(self._store.derive, digest)).folder

    async def _crs(self, announcement: CrsAnnouncement) -> Path:
        here = self._store.crs(announcement.digest)
        if here.exists():
            return here
        file = await self._downloads.ensure(announcement) / Kind.CRS.file
        if not file.exists():
            raise KeyMissing(f"reference string {announcement.crs_id.hex()} is not complete here yet")
        return file


def _link(source: Path, target: Path) -> None:
    try:
        with contextlib.suppress(FileExistsError):  # another worker was first
            os.link(source, target)
    except OSError as error:
        raise KeyMissing(f"{source.name} is not complete here yet: {error.strerror}") from error
