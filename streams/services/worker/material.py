"""Key material on this machine: what is activated is downloaded once, and derived once, for all workers."""

import asyncio
import contextlib
import os
from pathlib import Path

from streams.adapters.key_store import KeyStore as Downloads
from streams.domain.control import Announcement, CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import KeyUnderived
from streams.fhe import key_parts
from streams.fhe.keyset import KeyStore


class Material:
    """Files by purpose and reference strings by announcement; both stores share one root."""

    def __init__(self, downloads: Downloads, store: KeyStore, work_class: str = "") -> None:
        """`work_class` is the work that the key sets are for, so that they must have what it needs."""
        self._downloads = downloads
        self._store = store
        self._deriving = asyncio.Lock()  # it blocks for long: one I/O thread, and others for all else
        self._work_class = work_class

    async def ensure(self, announcement: Announcement) -> Path:
        """Folder with a key set's files by purpose, or file of a reference string.

        Raises:
            KeyMissing: no storage URL has it now.
            KeyUnderived: the disk is full, or memory did not suffice.
            KeyPartMissing: it is here, without a part that this class of work needs.
            KeyMaterialError: it does not decode, or was derived by another release.
        """
        try:
            if isinstance(announcement, CrsAnnouncement):
                return await self._crs(announcement)
            return await self._keyset(announcement)
        except OSError as error:  # a full disk most of all: whatever it is, the material is not to blame
            raise KeyUnderived(f"no place for key material: {error}") from error

    async def _keyset(self, announcement: KeySetAnnouncement) -> Path:
        digest = announcement.digest
        if self._store.ready(digest) is None and not self._store.keyset(digest).exists():
            _link(await self._downloads.ensure(announcement), self._store.keyset(digest))
        if announcement.public_digest:
            await self._public_key(announcement)
        async with self._deriving:
            files = await asyncio.to_thread(self._store.derive, digest)
        key_parts.check(files.lacks(), self._work_class)
        return files.folder

    async def _public_key(self, announcement: KeySetAnnouncement) -> None:
        here = self._store.public_key(announcement.digest)
        source = here if here.exists() else await self._downloads.ensure_public_key(announcement)
        self._store.add_public_key(announcement.digest, source, announcement.public_digest)

    async def _crs(self, announcement: CrsAnnouncement) -> Path:
        here = self._store.crs(announcement.digest)
        if here.exists():
            return here
        return await self._downloads.ensure(announcement)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another worker was first
        # A link and no copy: the two stores have their own layouts, and a key set has half a gigabyte.
        os.link(source, target)
