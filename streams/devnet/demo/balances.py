"""Decryption in a process of its own, which is given the client key and public addresses, nothing else."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence

import msgspec

from streams.devnet import activation
from streams.devnet.contracts import Deployment
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.devnet.up import bucket_url
from streams.domain.errors import Fatal


class Shown(msgspec.Struct, frozen=True):
    """What `devnet decrypt --json` says of one handle."""

    handle: str
    value: int


async def decrypt(
    state: State, servers: Stack, deployment: Deployment, handles: Sequence[bytes]
) -> list[int]:
    """Clear values of these handles; raises Fatal with the words of the process that failed."""
    texts = [f"0x{handle.hex()}" for handle in handles]
    argv = (*command(state, servers, deployment), *texts)
    with tempfile.TemporaryDirectory(prefix="cipherstream-decrypt-") as elsewhere:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=elsewhere,  # no settings file is found from there
            env=_bare_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    if process.returncode:
        raise Fatal(f"devnet decrypt failed: {err.decode(errors='replace').strip()}")
    shown = {item.handle: item.value for item in msgspec.json.decode(out, type=list[Shown])}
    return [shown[text] for text in texts]


def command(state: State, servers: Stack, deployment: Deployment) -> tuple[str, ...]:
    """The command line of the single-party KMS."""
    return (
        sys.executable,
        "-m",
        "streams.cli",
        "devnet",
        "decrypt",
        "--json",
        "--client-key",
        str(activation.client_key_file(state).resolve()),
        "--gateway",
        servers.gateway_http_url,
        "--ciphertext-commits",
        f"0x{deployment.ciphertext_commits.hex()}",
        "--gateway-config",
        f"0x{deployment.gateway_config.hex()}",
        "--bucket",
        bucket_url(servers),
    )


def _bare_environment() -> dict[str, str]:
    kept = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "XDG_CACHE_HOME", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}
