"""Keys of the devnet: made once per machine and seed, put into the public bucket, activated on chain.

Services learn a key in no other way than from the chain. The client key is copied to the devnet's own
secrets, where `devnet decrypt` finds it.
"""

import asyncio
import os
from pathlib import Path
from typing import Final, cast

import msgspec

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.key_store import Material
from streams.devnet import chain_client, client, object_store, up
from streams.devnet.chain_client import Wallet
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.domain.events import KeyDigest
from streams.fhe.keyset import CLIENT_KEY, SECRETS, Engine, KeyStore, cache_root
from streams.ports import Entropy
from streams.services.listener.key_fetcher import COMPRESSED_KEYSET, PUBLIC_KEY, SERVER_KEY

# The protocol counts key sets and reference strings from these numbers on.
FIRST_KEY_ID: Final = (4 << 248) + 1
FIRST_CRS_ID: Final = (5 << 248) + 1

_ACTIVE_KEY: Final = abi.function("getActiveKeyId()", "(uint256)")
_ACTIVE_CRS: Final = abi.function("getActiveCrsId()", "(uint256)")


class DevnetKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Public facts about the devnet's key set."""

    engine: Engine
    keyset_digest: bytes
    crs_digest: bytes
    public_digest: bytes = b""  # of the public key, where the key set is a server key alone
    key_id: bytes = b""  # empty before the activation
    crs_id: bytes = b""


def generate(
    state: State, engine: Engine, seed: bytes, store: KeyStore | None = None, *, has_server_key: bool = False
) -> DevnetKeys:
    """Make, or find in the user's cache, the key set of a seed; the client key goes to the devnet's secrets.

    Raises: ConfigurationError for a seed of another length.
    """
    made = client.generate_seeded(engine, seed, store, has_server_key=has_server_key)
    state.write_secret(client_key_file(state), made.client_key.read_bytes())
    keys = DevnetKeys(
        engine=engine,
        keyset_digest=made.keyset_digest,
        crs_digest=made.crs_digest,
        public_digest=made.public_digest,
    )
    known = find(state)
    if known is None or known.keyset_digest != keys.keyset_digest:
        _write(state, keys)
        return keys
    return known


def machine_seed(entropy: Entropy) -> bytes:
    """The seed of this machine's development keys: random, made once, so that keys are made once."""
    path = cache_root() / SECRETS / "devnet-seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(entropy.bytes(client.SEED_BYTES))
        _publish(draft, path)
    return path.read_bytes()


def _publish(draft: Path, path: Path) -> None:
    """Give the draft its name unless another process was first."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def client_key_file(state: State) -> Path:
    """Where the client key of this devnet is."""
    return state.client_keys / CLIENT_KEY


def find(state: State) -> DevnetKeys | None:
    """The key set of this devnet, if one was generated."""
    try:
        return msgspec.json.decode(_record(state).read_bytes(), type=DevnetKeys)
    except FileNotFoundError:
        return None


def require(state: State) -> DevnetKeys:
    """The key set of this devnet; raises ConfigurationError before `keys generate`."""
    keys = find(state)
    if keys is None:
        raise ConfigurationError("there are no keys; make them: cipherstream keys generate")
    return keys


async def activate(state: State, servers: Stack, store: KeyStore) -> DevnetKeys:
    """Upload what is public and announce it on the host chain; nothing happens when that was done.

    Raises: ConfigurationError before `keys generate`; RpcError, CallReverted.
    """
    keys = require(state)
    if keys.key_id:
        return keys
    async with up.chain_at(servers.host_http_url) as host:
        contract = state.deployment().kms_generation
        key_id = await _next(host, contract, _ACTIVE_KEY, FIRST_KEY_ID)
        crs_id = await _next(host, contract, _ACTIVE_CRS, FIRST_CRS_ID)
        await asyncio.to_thread(_upload, servers, store, keys, key_id, crs_id)
        owner, urls = Wallet(host, chain_client.dev_accounts().owner), (up.bucket_url(servers),)
        await chain_client.activate_key(owner, contract, key_id, urls, key_digests(keys))
        await chain_client.activate_crs(owner, contract, crs_id, urls, keys.crs_digest)
    active = msgspec.structs.replace(keys, key_id=key_id, crs_id=crs_id)
    _write(state, active)
    return active


async def _next(chain: EthereumChain, contract: bytes, view: abi.Function, first: int) -> bytes:
    (active,) = await chain.view(contract, view)
    number = max(first, cast(int, active) + 1)
    return number.to_bytes(32, "big")


def key_digests(keys: DevnetKeys) -> tuple[KeyDigest, ...]:
    """What the activation says of each object of a key set."""
    if not keys.public_digest:
        return (KeyDigest(key_type=COMPRESSED_KEYSET, digest=keys.keyset_digest),)
    return (
        KeyDigest(key_type=SERVER_KEY, digest=keys.keyset_digest),
        KeyDigest(key_type=PUBLIC_KEY, digest=keys.public_digest),
    )


def public_objects(store: KeyStore, keys: DevnetKeys, key_id: bytes, crs_id: bytes) -> dict[str, Path]:
    """Files of a key set and its reference string by their names in a public storage."""
    kind = Material.SERVER_KEY if keys.public_digest else Material.KEYSET
    files = {
        f"PUB/{kind}/{key_id.hex()}": store.keyset(keys.keyset_digest),
        f"PUB/{Material.CRS}/{crs_id.hex()}": store.crs(keys.crs_digest),
    }
    if keys.public_digest:
        files[f"PUB/{Material.PUBLIC_KEY}/{key_id.hex()}"] = store.public_key(keys.keyset_digest)
    return files


def _upload(servers: Stack, store: KeyStore, keys: DevnetKeys, key_id: bytes, crs_id: bytes) -> None:
    for name, file in public_objects(store, keys, key_id, crs_id).items():
        object_store.upload(servers.s3_endpoint, servers.s3_credentials, servers.s3_bucket, name, file)


def _record(state: State) -> Path:
    return state.root / "keys.json"


def _write(state: State, keys: DevnetKeys) -> None:
    state.root.mkdir(parents=True, exist_ok=True)
    draft = _record(state).with_suffix(".draft")
    draft.write_bytes(msgspec.json.encode(keys))
    draft.rename(_record(state))
