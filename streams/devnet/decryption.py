"""`devnet decrypt`: where its key, chain and objects are, and the decryption of many handles."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx
import msgspec

from streams.devnet import kms, up
from streams.devnet.client import CLIENT_KEY, engine_of, open_decryptor
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.domain.handle import parse_handle_text
from streams.settings import load_settings


class Source(msgspec.Struct, frozen=True):
    """Everything that a decryption needs; empty members are to be found in the devnet's folder."""

    client_key: Path | None
    gateway_url: str
    ciphertext_commits: str
    gateway_config: str
    bucket_url: str


def source(given: Source, state_dir: Path) -> Source:
    """What was given, completed from the devnet's settings; raises ConfigurationError where both lack."""
    if given.client_key and all(
        (given.gateway_url, given.ciphertext_commits, given.gateway_config, given.bucket_url)
    ):
        return given
    state = State(state_dir)
    if not state.settings_file.exists():
        raise ConfigurationError(f"no devnet runs in {state_dir}; give all addresses, or start one")
    settings = load_settings(state.settings_file)
    return Source(
        client_key=given.client_key or state.client_keys / CLIENT_KEY,
        gateway_url=given.gateway_url or settings.gateway.http_url,
        ciphertext_commits=given.ciphertext_commits or settings.gateway.ciphertext_commits_address or "",
        gateway_config=given.gateway_config or settings.gateway.gateway_config_address or "",
        bucket_url=given.bucket_url or settings.object_store.public_url,
    )


async def decrypt(source: Source, handles: Sequence[str]) -> list[kms.Decrypted]:
    """Clear values of these handles, in order.

    Raises: ConfigurationError, and all of `kms.decrypt`.
    """
    key = source.client_key
    if key is None or not key.is_file():
        raise ConfigurationError(f"there is no client key {key}; make one: cipherstream keys generate")
    decryptor = open_decryptor(engine_of(key), key)
    raw = [parse_handle_text(text).raw for text in handles]
    async with up.chain_at(source.gateway_url) as chain, httpx.AsyncClient(trust_env=False) as http:
        gateway = kms.Gateway(chain, _address(source.ciphertext_commits), _address(source.gateway_config))
        work = (kms.decrypt(handle, gateway, source.bucket_url, http, decryptor.decrypt) for handle in raw)
        return list(await asyncio.gather(*work))


def _address(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise ConfigurationError(f"{text} is not an address") from None
