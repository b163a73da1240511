"""Activated key material on this machine: downloaded once, checked, kept by digest.

`<directory>/downloads/<digest>/compressed_xof_keyset.bin`, `public_key.bin` or `crs.bin`; the first is the
key set, whichever object it is. A folder of that name appears by one rename after its content was checked, so
whoever finds it may trust it. Secret keys never come this way, and a folder of theirs is refused.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit
from xml.etree import ElementTree

import httpx
import structlog

from streams.adapters.breaker import Breaker
from streams.adapters.system import SystemClock
from streams.domain.control import Announcement, KeySetAnnouncement
from streams.domain.errors import ConfigurationError, KeyMissing
from streams.fhe.keyset import CLIENT_KEY, CRS_DOMAIN, DIGEST_BYTES, KEY_DOMAIN, SECRETS, cache_root
from streams.ports import Clock
from streams.settings import KeysSettings

_log = structlog.get_logger(__name__)

KEYSET_FILE: Final = "compressed_xof_keyset.bin"
PUBLIC_KEY_FILE: Final = "public_key.bin"
CRS_FILE: Final = "crs.bin"
_MIB: Final = 1 << 20
_LISTING_BYTES_MAX: Final = 4 * 1024 * 1024
_LISTING_PAGES_MAX: Final = 50
# Who sends less than so much is left for the next storage; a listing and one object are bounded alike.
_LEAST_BYTES_PER_S: Final = 4 * _MIB
_LEAST_TIME_S: Final = 60.0
_LOCK_POLL_S: Final = 0.1
_DEPTHS: Final = ("", "*/", "*/*/")  # a devnet has its client key at the last


def key_directory(keys: KeysSettings) -> Path:
    """Where activated material is kept on this machine; raises ConfigurationError for a place of secrets."""
    if keys.directory is None:
        return cache_root() / "keys"
    place = keys.directory.resolve()  # a link to secrets is one of their places too
    if SECRETS in place.parts or any(file for depth in _DEPTHS for file in place.glob(depth + CLIENT_KEY)):
        raise ConfigurationError(
            f"keys.directory is {keys.directory}, where secret keys are kept; services get public material"
            " only: name another folder"
        )
    return keys.directory


class Material(StrEnum):
    """What may be activated; the value is its folder in a node's public storage."""

    KEYSET = "CompressedXofKeySet"
    SERVER_KEY = "ServerKey"
    PUBLIC_KEY = "PublicKey"
    CRS = "CRS"

    @property
    def file(self) -> str:
        return _TRAITS[self].file

    @property
    def domain(self) -> bytes:
        """First bytes of what is digested."""
        return _TRAITS[self].domain

    @property
    def size_bytes_max(self) -> int:
        return _TRAITS[self].size_bytes_max

    @property
    def time_max_s(self) -> float:
        """What all requests to one storage may take together; others wait for the lock meanwhile."""
        return _LEAST_TIME_S + self.size_bytes_max / _LEAST_BYTES_PER_S


class _Traits(NamedTuple):
    file: str
    domain: bytes
    size_bytes_max: int


_TRAITS: Final[Mapping[Material, _Traits]] = {
    Material.KEYSET: _Traits(KEYSET_FILE, KEY_DOMAIN, 4096 * _MIB),
    Material.SERVER_KEY: _Traits(KEYSET_FILE, KEY_DOMAIN, 4096 * _MIB),
    Material.PUBLIC_KEY: _Traits(PUBLIC_KEY_FILE, KEY_DOMAIN, 16 * _MIB),
    Material.CRS: _Traits(CRS_FILE, CRS_DOMAIN, 512 * _MIB),
}


class DigestMismatch(KeyMissing):
    """What was downloaded is not what was activated."""


class _Unanswered(KeyMissing):
    """A storage gave no answer, or none to its end."""


class KeyStore:
    """The folder of activated material; any number of processes may share it."""

    def __init__(
        self, directory: Path, http: httpx.AsyncClient, url: str = "", clock: Clock | None = None
    ) -> None:
        """`url` replaces the storage URLs of the announcements where it is given."""
        self._directory = directory / "downloads"  # apart from what is derived from it
        self._http = http
        self._url = url
        self._clock = clock or SystemClock()
        self._breakers: dict[str, Breaker] = {}  # by storage

    async def ensure(self, announcement: Announcement) -> Path:
        """An announced key set or CRS, a file that is downloaded if need be; raises KeyMissing."""
        if isinstance(announcement, KeySetAnnouncement):
            material, ident = Material(announcement.stored_as), announcement.key_id
        else:
            material, ident = Material.CRS, announcement.crs_id
        folder = await self.fetch(material, ident, announcement.digest, announcement.urls)
        return folder / material.file

    async def ensure_public_key(self, announcement: KeySetAnnouncement) -> Path:
        """The public key that was announced with a key set, downloaded if need be; raises KeyMissing."""
        material = Material.PUBLIC_KEY
        folder = await self.fetch(
            material, announcement.key_id, announcement.public_digest, announcement.urls
        )
        return folder / material.file

    async def fetch(self, material: Material, ident: bytes, digest: bytes, urls: tuple[str, ...]) -> Path:
        """The folder with the material of that digest, downloaded if need be.

        Raises: KeyMissing when no URL has it now; DigestMismatch when each has other bytes there, or nothing
            could have such a digest.
        """
        if len(digest) != DIGEST_BYTES:
            raise DigestMismatch(f"{material} {ident.hex()} was activated with {len(digest)} bytes of digest")
        folder = self._directory / digest.hex()
        if folder.is_dir():
            return folder
        self._directory.mkdir(parents=True, exist_ok=True)
        async with _locked(self._directory / f"{digest.hex()}.lock"):
            # Asked again under the lock: whoever held it before may have downloaded it.
            if not folder.is_dir():
                await self._download_any(material, ident, digest, urls, folder)
        return folder

    async def _download_any(
        self, material: Material, ident: bytes, digest: bytes, urls: tuple[str, ...], folder: Path
    ) -> None:
        sources = (self._url,) if self._url else urls
        failures: list[KeyMissing] = []
        for url in sources:
            try:
                await self._download_from(url.rstrip("/"), material, ident, digest, folder)
                return
            except KeyMissing as error:
                found = error
            # What is no URL raises a ValueError or InvalidURL, somewhere between its parts and the request.
            except (httpx.InvalidURL, ValueError, OSError) as error:
                found = KeyMissing(f"{material} {ident.hex()} from {url}: {type(error).__name__}")
            _log.warning(str(found), action="key_download_failed", key_id=ident.hex())
            failures.append(found)
        # Wrong bytes somewhere are no reason to give up while another storage may have the right ones later.
        later = [error for error in failures if not isinstance(error, DigestMismatch)]
        nowhere = KeyMissing(f"{material} {ident.hex()} was activated without a storage URL")
        raise next(iter(later or failures), nowhere)

    async def _download_from(
        self, url: str, material: Material, ident: bytes, digest: bytes, folder: Path
    ) -> None:
        host = urlsplit(url).netloc
        breaker = self._breakers.setdefault(
            host, Breaker(f"keys at {host}", self._clock, KeyMissing, failure=_Unanswered)
        )
        await breaker.call(lambda: self._download_in_time(material, ident, digest, url, folder))

    async def _download_in_time(
        self, material: Material, ident: bytes, digest: bytes, url: str, folder: Path
    ) -> None:
        try:
            async with asyncio.timeout(material.time_max_s):
                await self._download(material, ident, digest, url, folder)
        except httpx.HTTPError as error:
            raise _Unanswered(f"{material} {ident.hex()} from {url}: {type(error).__name__}") from error
        except TimeoutError:
            text = f"{material} {ident.hex()} from {url}: not whole after {material.time_max_s:g} s"
            raise _Unanswered(text) from None

    async def _download(
        self, material: Material, ident: bytes, digest: bytes, url: str, folder: Path
    ) -> None:
        draft = folder.with_suffix(".draft")  # ours alone, under the lock; a crashed one is replaced
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            file = draft / material.file
            found = await self._copy(material, f"{url}/PUB/{material}/{ident.hex()}", file)
            # The plain path first; a node may keep its keys under another prefix, which only a listing
            # tells.
            if found is None:
                found = await self._copy(material, await self._listed(material, ident, url), file)
            if found is None:
                raise KeyMissing(f"{material} {ident.hex()} from {url} is listed and cannot be read")
            if found != digest:
                raise DigestMismatch(f"{material} {ident.hex()} from {url} is not what was activated")
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    async def _copy(self, material: Material, url: str, file: Path) -> bytes | None:
        """Write what is there to a file and return its digest, None when nothing is."""
        shake = hashlib.shake_256(material.domain)
        size_bytes = 0
        async with self._http.stream("GET", url) as response:
            # 403 as well: a bucket whose listing is not public answers so for what is not there.
            if response.status_code in (403, 404):
                return None
            response.raise_for_status()
            with file.open("wb") as out:
                async for chunk in response.aiter_bytes(1 << 20):
                    size_bytes += len(chunk)
                    if size_bytes > material.size_bytes_max:
                        raise KeyMissing(f"{url} is larger than {material.size_bytes_max} bytes")
                    shake.update(chunk)
                    out.write(chunk)
                out.flush()
                # Before the rename: after a power failure a name must not stand for bytes that never
                # reached the disk.
                os.fsync(out.fileno())
        return shake.digest(DIGEST_BYTES)

    async def _listed(self, material: Material, ident: bytes, url: str) -> str:
        """URL of the object whose key ends as this material's does, by an anonymous listing."""
        suffix = f"/{material}/{ident.hex()}"
        bucket, prefix = _bucket_and_prefix(url)
        async for key in self._keys(bucket, prefix):
            if key.endswith(suffix):
                return f"{bucket}/{quote(key)}"
        raise KeyMissing(f"{url} has no object that ends with {suffix}")

    async def _keys(self, bucket: str, prefix: str) -> AsyncIterator[str]:
        token = ""
        for _ in range(_LISTING_PAGES_MAX):
            query = {"list-type": "2", "prefix": prefix, "continuation-token": token}
            body = await self._listing(bucket, {name: text for name, text in query.items() if text})
            if body is None:
                return
            token, keys = _page(body)
            for key in keys:
                yield key
            if not token:
                return

    async def _listing(self, bucket: str, query: dict[str, str]) -> bytes | None:
        """One page; None where there is none, or one that is too large to be one."""
        body = bytearray()
        async with self._http.stream("GET", bucket, params=query) as response:
            if response.status_code != 200:
                return None
            async for chunk in response.aiter_bytes(1 << 16):
                body += chunk
                if len(body) > _LISTING_BYTES_MAX:
                    return None
        return bytes(body)


def _bucket_and_prefix(url: str) -> tuple[str, str]:
    """Path style: the first part of the path is the bucket; without a path the host name is."""
    parts = urlsplit(url)
    bucket, _, prefix = parts.path.strip("/").partition("/")
    return urlunsplit((parts.scheme, parts.netloc, bucket, "", "")).rstrip("/"), prefix


def _page(body: bytes) -> tuple[str, list[str]]:
    if b"<!" in body:  # a listing has no document type; entities in one could grow without bound
        raise KeyMissing("the listing of the bucket is not plain XML")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - bounded, and without entities
    except ElementTree.ParseError as error:
        raise KeyMissing("the listing of the bucket is not XML") from error
    texts = [(node.tag.rpartition("}")[2], node.text or "") for node in root.iter()]
    token = next((text for tag, text in texts if tag == "NextContinuationToken"), "")
    return token, [text for tag, text in texts if tag == "Key"]


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncGenerator[None]:
    # The file stays: removing it would let two processes hold a lock of the same name.
    with path.open("w") as file:
        while not _try_lock(file.fileno()):  # noqa: ASYNC110 - another process holds it, nothing can wake us
            await asyncio.sleep(_LOCK_POLL_S)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
