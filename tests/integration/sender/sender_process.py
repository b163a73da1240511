"""The service as a process of its own between the real broker, the real database and a real node."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

import asyncpg
import msgspec

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.kafka import topics
from streams.adapters.kafka.declaration import load
from streams.adapters.kafka.log import KafkaLog
from streams.devnet.chain_client import OPERATOR_BASE, DevAccounts, dev_secret
from streams.devnet.contracts import Deployment
from streams.devnet.stack import Stack
from streams.domain import events
from streams.domain.results import Result, Sent, Started, decode_result
from streams.domain.work import AddMaterial, Call, SendWork, encode_work
from streams.services.crashpoints import MARKER_VARIABLE, POINT_VARIABLE
from streams.settings import KafkaSettings, PostgresSettings

USED = ("work.sender.v1", "results.v1", "control.v1", "dlq.v1")
OPERATORS = 8  # registered at the gateway, each with accounts for sending and signing
PARTITIONS = 2
_LOOK_S = 0.1
ROOT = Path(__file__).parents[3]
PROCESS = """
import sys
from pathlib import Path
from typing import IO
from streams.services import transaction_sender
from streams.services.runtime import serve
from streams.settings import load_settings
sys.exit(serve("transaction-sender", transaction_sender.run, load_settings(Path(sys.argv[1]))))
"""


class Gateway(msgspec.Struct, frozen=True):
    """A chain with the gateway's contracts and registered operators."""

    url: str
    at: Deployment
    accounts: DevAccounts


class Bench:
    """Topics, table and settings of one test."""

    def __init__(
        self,
        gateway: Gateway,
        node: EthereumChain,
        kafka: KafkaSettings,
        postgres: PostgresSettings,
        settings: Path,
    ) -> None:
        self.gateway = gateway
        self.node = node
        self.settings = settings
        self.log = KafkaLog(kafka)
        self.postgres = postgres

    async def send(self, *works: SendWork) -> None:
        for work in works:
            await self.log.append("work.sender.v1", key=b"us", value=encode_work(work))

    async def results(self, tenant: str, count: int) -> list[Result]:
        """The first so many results of a tenant, once they are there."""
        await self.log.partitions("results.v1")
        place = self.log.partition_of("results.v1", tenant.encode())
        records = self.log.read("results.v1", place, 0, count)
        return [decode_result(record.value or b"") async for record in records]

    async def result_of(self, tenant: str, kind: type[Result], *, attempts: int = 1) -> Result:
        """The first result of that kind after the item was started so many times."""
        await self.log.partitions("results.v1")
        place = self.log.partition_of("results.v1", tenant.encode())
        started = 0
        async with contextlib.aclosing(self.log.read("results.v1", place, 0)) as records:
            async for record in records:
                result = decode_result(record.value or b"")
                started += isinstance(result, Started)
                if isinstance(result, kind) and started >= attempts:
                    return result
        raise AssertionError("the log ended")

    async def results_until_sent(self, tenant: str, items: int) -> list[Result]:
        """The results of a tenant up to the moment at which so many items are sent."""
        await self.log.partitions("results.v1")
        place = self.log.partition_of("results.v1", tenant.encode())
        found: list[Result] = []
        async with contextlib.aclosing(self.log.read("results.v1", place, 0)) as records:
            async for record in records:
                found.append(decode_result(record.value or b""))
                if len({result.item for result in found if isinstance(result, Sent)}) == items:
                    return found
        raise AssertionError("the log ended")

    async def rows(self) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.postgres.url.get_secret_value())
        try:
            return await connection.fetch(
                f'select * from "{self.postgres.schema_name}".transactions order by nonce'
            )
        finally:
            await connection.close()

    def add_settings(self, lines: str) -> None:
        """More of the sender's section, which is the last of the file."""
        self.settings.write_text(f"{self.settings.read_text()}{lines}\n")

    async def rows_until(self, is_so: Callable[[list[asyncpg.Record]], bool]) -> list[asyncpg.Record]:
        """The rows, once they are so."""
        while True:
            rows = await self.rows()
            if is_so(rows):
                return rows
            await asyncio.sleep(_LOOK_S)

    async def commits(self, handle: bytes) -> int:
        """How many AddCiphertextMaterial events the gateway has of a handle."""
        head = await self.node.head()
        logs = await self.node.logs_in_range(0, head.number, [self.gateway.at.ciphertext_commits])
        found = [events.decode_gateway_log(entry.log.topics, entry.log.data) for entry in logs]
        return sum(
            isinstance(event, events.AddCiphertextMaterial) and event.handle == handle for event in found
        )

    @contextlib.asynccontextmanager
    async def sender(
        self, crash_at: str = "", log: IO[bytes] | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A running service, its lines to a file where one is given; killed at the end if it still runs."""
        armed = {POINT_VARIABLE: crash_at, MARKER_VARIABLE: str(self.settings.with_name("crashed"))}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROCESS,
            str(self.settings),
            env=os.environ | armed,
            cwd=ROOT,
            stderr=log,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                os.kill(process.pid, signal.SIGKILL)
                await process.wait()


def commit_work(chain_id: int, number: int) -> SendWork:
    """The commit of a fresh handle of a host chain."""
    handle = secrets.token_bytes(21) + b"\xff" + chain_id.to_bytes(8, "big") + b"\5\0"
    call = AddMaterial(
        handle=handle, key_id=b"\4" + bytes(31), ct64_digest=b"\6" * 32, ct128_digest=b"\7" * 32
    )
    return work_of(call, f"item{number}")


def work_of(call: Call, item: str) -> SendWork:
    return SendWork(item=item, tenant="t", attempt=1, timeout_s=60.0, call=call)


async def prepared(
    stack: Stack,
    gateway: Gateway,
    postgres: PostgresSettings,
    node: EthereumChain,
    folder: Path,
    operator: int,
) -> Bench:
    """Topics and settings for one operator."""
    kafka = KafkaSettings(bootstrap=stack.kafka_bootstrap, prefix=f"{secrets.token_hex(4)}.")
    await asyncio.to_thread(_make_topics, kafka)
    keys = _keys(folder, OPERATOR_BASE + 2 * operator)
    return Bench(gateway, node, kafka, postgres, _settings(kafka, gateway, postgres, folder, keys))


def _make_topics(kafka: KafkaSettings) -> None:
    declared = load()
    used = {name: msgspec.structs.replace(declared.topics[name], partitions=PARTITIONS) for name in USED}
    few = msgspec.structs.replace(declared, topics=used)
    admin = topics.connect(kafka)
    topics.apply(admin, topics.plan(admin, kafka.prefix, few), kafka.prefix, few)


def _keys(folder: Path, first: int) -> str:
    """Files with the operator's two keys, and their sections; that of the sender comes last."""
    sections = ""
    for name in ("signer", "sender"):
        key = folder / f"{name}.key"
        key.touch(mode=0o600)
        key.write_text(dev_secret(first + (name == "signer")).hex())
        sections += f'[{name}]\nprivate_key_file = "{key}"\n'
    return sections


def _settings(
    kafka: KafkaSettings, gateway: Gateway, postgres: PostgresSettings, folder: Path, keys: str
) -> Path:
    file = folder / "cipherstream.toml"
    file.touch(mode=0o600)
    at = gateway.at
    file.write_text(
        f'[kafka]\nbootstrap = "{kafka.bootstrap}"\nprefix = "{kafka.prefix}"\n'
        f'[postgres]\nurl = "postgresql://graph@127.0.0.1:1/nothing"\nschema = "{postgres.schema_name}"\n'
        f'[gateway]\nchain_id = {at.gateway_chain_id}\nhttp_url = "{gateway.url}"\nconfirmations = 0\n'
        f'input_verification_address = "0x{at.input_verification.hex()}"\n'
        f'ciphertext_commits_address = "0x{at.ciphertext_commits.hex()}"\n'
        f'{keys}postgres_url = "{postgres.url.get_secret_value()}"\n'
    )
    return file
