"""What the devnet uploads and activates of either form of a key set."""

from pathlib import Path

import msgspec

from streams.devnet.activation import DevnetKeys, key_digests, public_objects
from streams.domain.events import KeyDigest
from streams.fhe.keyset import KeyStore

WHOLE = DevnetKeys(engine="tfhe-rs", keyset_digest=b"k" * 32, crs_digest=b"c" * 32)
SERVER_KEY = msgspec.structs.replace(WHOLE, public_digest=b"p" * 32)
KEY_ID, CRS_ID = b"\4" * 32, b"\5" * 32


def test_a_set_in_one_object_has_one_digest_and_one_place(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    assert key_digests(WHOLE) == (KeyDigest(3, b"k" * 32),)
    assert public_objects(store, WHOLE, KEY_ID, CRS_ID) == {
        f"PUB/CompressedXofKeySet/{'04' * 32}": store.keyset(b"k" * 32),
        f"PUB/CRS/{'05' * 32}": store.crs(b"c" * 32),
    }


def test_a_server_key_is_activated_with_its_public_key(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    assert key_digests(SERVER_KEY) == (KeyDigest(0, b"k" * 32), KeyDigest(1, b"p" * 32))
    assert public_objects(store, SERVER_KEY, KEY_ID, CRS_ID) == {
        f"PUB/ServerKey/{'04' * 32}": store.keyset(b"k" * 32),
        f"PUB/PublicKey/{'04' * 32}": store.public_key(b"k" * 32),
        f"PUB/CRS/{'05' * 32}": store.crs(b"c" * 32),
    }
