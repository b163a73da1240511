"""A listener as a process of its own that may be told to kill itself."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from streams.devnet.stack import Stack
from streams.services.crashpoints import MARKER_VARIABLE, POINT_VARIABLE
from streams.settings import KafkaSettings

ROOT = Path(__file__).parents[3]
ACL, EXECUTOR, GATEWAY, KEYS = (bytes((value,)) * 20 for value in (0xAC, 0xEE, 0xAA, 0xCC))
PROCESS = """
import sys
from importlib import import_module
from pathlib import Path
from typing import IO
from streams.services.runtime import serve
from streams.settings import load_settings
name = sys.argv[1]
sys.exit(serve(name, import_module(f"streams.services.{name}").run, load_settings(Path(sys.argv[2]))))
"""


def settings_file(chains: Stack, kafka: KafkaSettings, folder: Path, start_block: int) -> Path:
    """One host chain and one gateway, both from the same block on."""
    file = folder / "cipherstream.toml"
    file.write_text(
        f'[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n'
        f"[[host_chain]]\nid = {chains.host_chain_id}\nstart_block = {start_block}\n"
        f'http_url = "{chains.host_http_url}"\nws_url = "{chains.host_ws_url}"\n'
        f'kms_generation_address = "0x{KEYS.hex()}"\nfinality_lag = 2\npoll_interval_ms = 500\n'
        f'acl_address = "0x{ACL.hex()}"\nexecutor_address = "0x{EXECUTOR.hex()}"\n'
        f'[gateway]\nchain_id = {chains.gateway_chain_id}\nhttp_url = "{chains.gateway_http_url}"\n'
        f'start_block = {start_block}\ninput_verification_address = "0x{GATEWAY.hex()}"\n'
        f'[keys]\ndirectory = "{folder / "keys"}"\n'
    )
    return file


@contextlib.asynccontextmanager
async def listener(
    service: str, settings: Path, crash_at: str, log: IO[bytes] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A running listener, its lines to a file where one is given; killed at the end if it still runs."""
    armed = {POINT_VARIABLE: crash_at, MARKER_VARIABLE: str(settings.with_name("crashed"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, service, str(settings), env=os.environ | armed, cwd=ROOT, stderr=log
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
