"""Material is kept under its digest once it was checked, and asked for again until then."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import msgspec
import pytest
from key_urls import CRS, KEYSET, URL, Storage, digest_of, listing

from streams.adapters.breaker import FAILURES_MAX, OPEN_S
from streams.adapters.key_store import (
    CRS_FILE,
    KEYSET_FILE,
    DigestMismatch,
    KeyStore,
    Material,
    key_directory,
)
from streams.adapters.memory.clock import FakeClock
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement
from streams.domain.errors import ConfigurationError, KeyMissing
from streams.fhe.keyset import CLIENT_KEY
from streams.settings import KeysSettings

IDENT = bytes(31) + b"\5"
DIGEST = digest_of(Material.KEYSET, KEYSET)
DIRECT = f"{URL}/PUB/CompressedXofKeySet/{IDENT.hex()}"
ANNOUNCED = KeySetAnnouncement(key_id=IDENT, digest=DIGEST, engine="clear", release="r", urls=(URL,))


def left_behind(directory: Path) -> list[str]:
    """Folders, drafts included."""
    return [path.name for path in (directory / "downloads").iterdir() if path.is_dir()]


async def test_a_key_set_is_found_under_its_direct_key(tmp_path: Path) -> None:
    file = await KeyStore(tmp_path, Storage({DIRECT: KEYSET}).client()).ensure(ANNOUNCED)
    assert file.read_bytes() == KEYSET
    assert file == tmp_path / "downloads" / DIGEST.hex() / KEYSET_FILE


async def test_a_server_key_and_its_public_key_have_places_of_their_own(tmp_path: Path) -> None:
    announced = msgspec.structs.replace(
        ANNOUNCED, stored_as="ServerKey", public_digest=digest_of(Material.PUBLIC_KEY, b"public")
    )
    objects = {f"ServerKey/{IDENT.hex()}": KEYSET, f"PublicKey/{IDENT.hex()}": b"public"}
    storage = Storage({f"{URL}/PUB/{name}": content for name, content in objects.items()})
    store = KeyStore(tmp_path, storage.client())
    assert (await store.ensure(announced)).read_bytes() == KEYSET
    assert (await store.ensure_public_key(announced)).read_bytes() == b"public"


async def test_a_reference_string_has_a_domain_of_its_own(tmp_path: Path) -> None:
    digest = digest_of(Material.CRS, CRS)
    assert digest != digest_of(Material.KEYSET, CRS)
    storage = Storage({f"{URL}/PUB/CRS/{IDENT.hex()}": CRS})
    announced = CrsAnnouncement(crs_id=IDENT, digest=digest, urls=(f"{URL}/",))
    file = await KeyStore(tmp_path, storage.client()).ensure(announced)
    assert (file.name, file.read_bytes()) == (CRS_FILE, CRS)


async def test_what_is_here_is_not_asked_for_again(tmp_path: Path) -> None:
    storage = Storage({DIRECT: KEYSET})
    for _ in range(2):
        await KeyStore(tmp_path, storage.client()).ensure(ANNOUNCED)
    assert storage.asked == [DIRECT]


async def test_a_storage_that_fails_is_left_alone_for_a_while(tmp_path: Path) -> None:
    storage, clock = Storage({DIRECT: 500}), FakeClock()
    store = KeyStore(tmp_path, storage.client(), clock=clock)
    for _ in range(FAILURES_MAX + 3):
        with pytest.raises(KeyMissing):
            await store.ensure(ANNOUNCED)
    assert len(storage.asked) == FAILURES_MAX
    storage.objects[DIRECT] = KEYSET
    await clock.advance(OPEN_S)
    assert (await store.ensure(ANNOUNCED)).is_file()


async def test_two_at_once_download_once(tmp_path: Path) -> None:
    storage = Storage({DIRECT: KEYSET})
    stores = [KeyStore(tmp_path, storage.client()) for _ in range(3)]
    await asyncio.gather(*(store.ensure(ANNOUNCED) for store in stores))
    assert storage.asked == [DIRECT]


async def test_a_bucket_is_listed_where_the_direct_key_is_not_there(tmp_path: Path) -> None:
    key = f"PUB-p1/CompressedXofKeySet/{IDENT.hex()}"
    storage = Storage(
        {
            f"{URL}?list-type=2": listing("PUB/other", token="next"),
            f"{URL}?list-type=2&continuation-token=next": listing(key),
            f"{URL}/{key}": KEYSET,
        }
    )
    file = await KeyStore(tmp_path, storage.client()).ensure(ANNOUNCED)
    assert file.read_bytes() == KEYSET


@pytest.mark.parametrize("status", [403, 404])
async def test_a_listed_object_that_cannot_be_read_now_is_missing_and_not_wrong(
    tmp_path: Path, status: int
) -> None:
    key = f"PUB-p1/CompressedXofKeySet/{IDENT.hex()}"
    storage = Storage({f"{URL}?list-type=2": listing(key), f"{URL}/{key}": status})
    store = KeyStore(tmp_path, storage.client())
    with pytest.raises(KeyMissing, match="listed and cannot be read") as raised:
        await store.ensure(ANNOUNCED)
    assert not isinstance(raised.value, DigestMismatch), "the key would be given up"
    storage.objects[f"{URL}/{key}"] = KEYSET
    assert (await store.ensure(ANNOUNCED)).read_bytes() == KEYSET


async def test_a_url_below_a_bucket_lists_with_its_prefix(tmp_path: Path) -> None:
    key = f"kms/PUB/CompressedXofKeySet/{IDENT.hex()}"
    storage = Storage({f"{URL}?list-type=2&prefix=kms": listing(key), f"{URL}/{key}": KEYSET})
    store = KeyStore(tmp_path, storage.client())
    assert (
        await store.fetch(Material.KEYSET, IDENT, DIGEST, (f"{URL}/kms",))
        == tmp_path / "downloads" / DIGEST.hex()
    )


@pytest.mark.parametrize(
    "objects",
    [
        {},
        {DIRECT: 500},
        {f"{URL}?list-type=2": listing("PUB/other")},
        {f"{URL}?list-type=2": b"<!DOCTYPE a>"},
    ],
    ids=["nothing", "error", "not listed", "no listing"],
)
async def test_material_that_is_not_there_is_missing_and_leaves_nothing(
    tmp_path: Path, objects: dict[str, bytes | int]
) -> None:
    with pytest.raises(KeyMissing):
        await KeyStore(tmp_path, Storage(objects).client()).ensure(ANNOUNCED)
    assert left_behind(tmp_path) == []


async def test_other_bytes_are_refused_and_the_next_url_is_tried(tmp_path: Path) -> None:
    other = "http://other"
    storage = Storage({DIRECT: b"other bytes", f"{other}/PUB/CompressedXofKeySet/{IDENT.hex()}": KEYSET})
    store = KeyStore(tmp_path, storage.client())
    with pytest.raises(DigestMismatch):
        await store.ensure(ANNOUNCED)
    await store.fetch(Material.KEYSET, IDENT, DIGEST, (URL, other))
    assert (tmp_path / "downloads" / DIGEST.hex() / KEYSET_FILE).read_bytes() == KEYSET


@pytest.mark.parametrize("order", [(URL, "http://away"), ("http://away", URL)], ids=["first", "last"])
async def test_wrong_bytes_hide_no_storage_that_is_away(tmp_path: Path, order: tuple[str, ...]) -> None:
    away = f"http://away/PUB/CompressedXofKeySet/{IDENT.hex()}"
    storage = Storage({DIRECT: b"other bytes", away: 500})
    store = KeyStore(tmp_path, storage.client())
    with pytest.raises(KeyMissing) as raised:
        await store.fetch(Material.KEYSET, IDENT, DIGEST, order)
    assert not isinstance(raised.value, DigestMismatch)
    storage.objects[away] = KEYSET
    assert (await store.fetch(Material.KEYSET, IDENT, DIGEST, order)).is_dir()


@pytest.mark.parametrize("url", ["http://kms:port", "http://[bad", "ftp://kms/bucket", "no url", ""])
async def test_what_is_no_url_hides_no_storage_that_has_it(tmp_path: Path, url: str) -> None:
    """Storage URLs are what somebody wrote into an activation."""
    store = KeyStore(tmp_path, Storage({DIRECT: KEYSET}).client())
    with pytest.raises(KeyMissing):
        await store.fetch(Material.KEYSET, IDENT, DIGEST, (url,))
    assert (await store.fetch(Material.KEYSET, IDENT, DIGEST, (url, URL))).is_dir()
    assert left_behind(tmp_path) == [DIGEST.hex()]


@pytest.mark.parametrize("digest", [b"", DIGEST[:-1], DIGEST * 8])
async def test_what_can_be_no_digest_is_one_that_nothing_has(tmp_path: Path, digest: bytes) -> None:
    storage = Storage({DIRECT: KEYSET})
    with pytest.raises(DigestMismatch, match=f"with {len(digest)} bytes of digest"):
        await KeyStore(tmp_path, storage.client()).fetch(Material.KEYSET, IDENT, digest, (URL,))
    assert storage.asked == []


class Endless(httpx.AsyncByteStream):
    """A body that goes on in small pieces; `sent` is what was read of it."""

    def __init__(self, piece: bytes) -> None:
        self.piece, self.sent = piece, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            self.sent += len(self.piece)
            yield self.piece


def served(bodies: Mapping[str, Endless | bytes]) -> httpx.AsyncClient:
    """A client of storages of which some have no end, by host."""

    def answer(request: httpx.Request) -> httpx.Response:
        body = bodies.get(request.url.host, b"")
        is_listing = bool(request.url.query)
        if isinstance(body, Endless) and not is_listing and body.piece.startswith(b"<"):
            return httpx.Response(404)
        return (
            httpx.Response(200, stream=body)
            if isinstance(body, Endless)
            else httpx.Response(200, content=body)
        )

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_a_storage_that_trickles_is_left_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Material, "time_max_s", property(lambda _: 0.05))
    store = KeyStore(tmp_path, served({"slow": Endless(b"x"), "good": KEYSET}))
    with pytest.raises(KeyMissing, match=r"not whole after 0\.05 s"):
        await store.fetch(Material.KEYSET, IDENT, DIGEST, ("http://slow",))
    assert (await store.fetch(Material.KEYSET, IDENT, DIGEST, ("http://slow", "http://good"))).is_dir()
    assert left_behind(tmp_path) == [DIGEST.hex()]


async def test_a_listing_without_end_is_read_no_further_than_its_limit(tmp_path: Path) -> None:
    endless = Endless(b"<Key>PUB/other</Key>" * 1000)
    with pytest.raises(KeyMissing, match="has no object that ends with"):
        await KeyStore(tmp_path, served({"lists": endless})).fetch(
            Material.KEYSET, IDENT, DIGEST, ("http://lists",)
        )
    assert endless.sent < 5 * 1024 * 1024


async def test_a_size_limit_is_kept_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Material, "size_bytes_max", property(lambda _: 10))
    with pytest.raises(KeyMissing, match="larger than 10 bytes"):
        await KeyStore(tmp_path, Storage({DIRECT: KEYSET}).client()).ensure(ANNOUNCED)


async def test_a_configured_url_replaces_the_announced_ones(tmp_path: Path) -> None:
    mirror = "http://mirror"
    storage = Storage({f"{mirror}/PUB/CompressedXofKeySet/{IDENT.hex()}": KEYSET})
    await KeyStore(tmp_path, storage.client(), mirror).ensure(ANNOUNCED)
    assert all(url.startswith(mirror) for url in storage.asked)


async def test_a_crashed_download_is_replaced(tmp_path: Path) -> None:
    draft = tmp_path / "downloads" / f"{DIGEST.hex()}.draft"
    draft.mkdir(parents=True)
    (draft / KEYSET_FILE).write_bytes(b"half")
    file = await KeyStore(tmp_path, Storage({DIRECT: KEYSET}).client()).ensure(ANNOUNCED)
    assert file.read_bytes() == KEYSET
    assert left_behind(tmp_path) == [file.parent.name]


def test_the_folder_is_the_configured_one_or_in_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert key_directory(KeysSettings()) == tmp_path / "cipherstream" / "keys"
    assert key_directory(KeysSettings(directory=tmp_path)) == tmp_path


def test_a_folder_that_holds_a_client_key_is_refused_under_any_name(tmp_path: Path) -> None:
    held, link = tmp_path / "held", tmp_path / "link"
    held.mkdir()
    link.symlink_to(held)
    assert key_directory(KeysSettings(directory=link)) == link
    (held / CLIENT_KEY).write_bytes(b"secret")
    for folder in (held, link, tmp_path):
        with pytest.raises(ConfigurationError, match=f"keys.directory is {folder}, where secret keys"):
            key_directory(KeysSettings(directory=folder))


@pytest.mark.parametrize("folder", [".cipherstream/secrets/keys", ".cipherstream/secrets", "secrets/a/b"])
def test_a_folder_of_secrets_is_refused_also_while_it_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").symlink_to(tmp_path / folder)
    for name in (folder, "plain"):
        with pytest.raises(ConfigurationError, match="services get public material only"):
            key_directory(KeysSettings(directory=Path(name)))
