"""A worker as a process of its own on the real broker, with key material that is on this machine already."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import msgspec

from streams.adapters.ethereum.signer import Signer
from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import load
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.object_store.s3 import S3Blobs
from streams.adapters.system import SystemClock
from streams.devnet.stack import Stack
from streams.domain.control import CrsAnnouncement, KeySetAnnouncement, WorkerHeartbeat
from streams.domain.digest import keccak256
from streams.domain.results import Result, decode_result
from streams.domain.work import Work, encode_work
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import KeyStore
from streams.messages import claim_check
from streams.messages.codec import encode, key_of
from streams.services import address
from streams.settings import KafkaSettings, load_settings

CHAIN = 12345
KEY, CRS = b"k" * 32, b"c" * 32
ROOT = Path(__file__).parents[3]

PROCESS = """
import sys
from importlib import import_module
from pathlib import Path
from streams.services.runtime import serve
from streams.messages import claim_check
from streams.messages.codec import encode, key_of
from streams.settings import load_settings
name = sys.argv[1]
sys.exit(serve(name, import_module(f"streams.services.{name}").run, load_settings(Path(sys.argv[2]))))
"""


class Deployment:
    """Topics under a prefix of their own, a settings file, a clear key set."""

    def __init__(self, stack: Stack, prefix: str, folder: Path) -> None:
        self._stack = stack
        self.kafka = KafkaSettings(bootstrap=stack.kafka_bootstrap, prefix=prefix)
        self.folder = folder
        self.log = KafkaLog(self.kafka)
        self.signer = Signer(keccak256(prefix.encode()))
        self.blobs = S3Blobs(load_settings(self.settings()).object_store, SystemClock())

    async def close(self) -> None:
        await self.log.close()
        await self.blobs.close()

    async def prepare(self) -> None:
        admin = topics.connect(self.kafka)
        declared = load()
        changes = await asyncio.to_thread(topics.plan, admin, self.kafka.prefix, declared)
        await asyncio.to_thread(topics.apply, admin, changes, self.kafka.prefix, declared)
        await self._announce()

    def settings(self, engine: str = "clear", more: str = "") -> Path:
        file = self.folder / "cipherstream.toml"
        secret = self.folder / "secret_key"
        secret.write_text(self._stack.s3_credentials.secret_key)
        key = self.folder / "signer_key"
        key.write_text(keccak256(self.kafka.prefix.encode()).hex())
        file.write_text(
            f'[kafka]\nbootstrap = "{self.kafka.bootstrap}"\nprefix = "{self.kafka.prefix}"\n'
            f'[keys]\ndirectory = "{self.folder / "keys"}"\n'
            f'[engine]\nname = "{engine}"\nworkers = 2\n'
            f'[object_store]\nendpoint = "{self._stack.s3_endpoint}"\nbucket = "{self._stack.s3_bucket}"\n'
            f'access_key = "{self._stack.s3_credentials.access_key}"\nsecret_key_file = "{secret}"\n'
            f"[devnet]\nchains = [{CHAIN}]\n"
            f'[signer]\nprivate_key_file = "{key}"\n{more}\n'
        )
        return file

    async def _announce(self) -> None:
        store = KeyStore(self.folder / "keys")
        for announcement in (
            KeySetAnnouncement(
                key_id=KEY,
                digest=store.add_keyset(self._file("keyset", CLEAR_MAGIC + bytes(32))),
                engine="clear",
                release="clear 1",
                urls=(),
            ),
            CrsAnnouncement(crs_id=CRS, digest=store.add_crs(self._file("crs", b"CLRC")), urls=()),
        ):
            await self.log.append("keysets.v1", key=key_of(announcement), value=encode(announcement))

    def _file(self, name: str, content: bytes) -> Path:
        file = self.folder / name
        file.write_bytes(content)
        return file

    async def send(self, topic: str, work: Sequence[Work]) -> None:
        for number, item in enumerate(work):
            value, headers = await claim_check.close(self.blobs, self._stack.s3_bucket, encode_work(item), ())
            await self.log.append(topic, key=b"t", value=value, headers=headers, partition=number % 48)

    async def results(self, tenant: str, count: int) -> tuple[Result, ...]:
        """The first results of a tenant, once there are that many."""
        await self.log.partitions("results.v1")
        place = self.log.partition_of("results.v1", tenant.encode())
        found = [
            decode_result(record.value or b"")
            async for record in self.log.read("results.v1", place, 0, count)
        ]
        return tuple(found)

    async def has_group(self, group: str) -> bool:
        """Whether anybody ever joined this group."""
        admin = topics.connect(self.kafka)
        found = await asyncio.to_thread(admin.list_consumer_groups().result)
        assert not found.errors
        return self.kafka.prefix + group in {each.group_id for each in found.valid}

    async def heartbeats(self) -> AsyncGenerator[tuple[str, WorkerHeartbeat | None]]:
        async for record in self.log.read("control.v1", 0, 0):
            beat = msgspec.json.decode(record.value, type=WorkerHeartbeat) if record.value else None
            yield (record.key or b"").decode(), beat


@contextlib.asynccontextmanager
async def worker(
    service: str, settings: Path, name: str, state: Path
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A running service; killed at the end if the test did not stop it."""
    environment = os.environ | {
        "CIPHERSTREAM_SERVICE__ID": name,
        "CIPHERSTREAM_STATE": str(state),
        "CIPHERSTREAM_PROCESS": name,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, service, str(settings), env=environment, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()


def port_of(state: Path, name: str) -> int:
    return address.read(state, name).http_port
