"""A worker that is told to end while the broker is away leaves what it has in hand to others."""

import asyncio
import signal
from pathlib import Path

from unit.kafka.mock_broker import mock_broker
from worker_process import CHAIN, KEY, worker

from streams.adapters.kafka.log import KafkaLog
from streams.domain.control import KeySetAnnouncement
from streams.domain.handle import stamp
from streams.domain.operations import FheType
from streams.domain.results import Started, decode_result
from streams.domain.work import ComputeWork, encode_work
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import KeyStore
from streams.messages.codec import encode, key_of
from streams.messages.topics import CONTROL, KEYSETS, RESULTS, WORK
from streams.settings import KafkaSettings

TFHE = WORK["tfhe"]
# It waits for a key set that never comes, so it stays in hand for a minute.
IN_HAND = ComputeWork(
    item="item", tenant="t", attempt=0, timeout_s=60, key_id=b"never".ljust(32),
    steps=(), inputs=(), outputs=(stamp(bytes(32), 0xFF, CHAIN, FheType.UINT64),),
)  # fmt: skip


def _settings(folder: Path, bootstrap: str) -> Path:
    file = folder / "cipherstream.toml"
    file.write_text(
        f'[kafka]\nbootstrap = "{bootstrap}"\n[keys]\ndirectory = "{folder / "keys"}"\n'
        f'[engine]\nname = "clear"\nworkers = 1\n[devnet]\nchains = [{CHAIN}]\n'
    )
    return file


def _announcement(folder: Path) -> KeySetAnnouncement:
    (folder / "keyset").write_bytes(CLEAR_MAGIC + bytes(32))
    digest = KeyStore(folder / "keys").add_keyset(folder / "keyset")
    return KeySetAnnouncement(key_id=KEY, digest=digest, engine="clear", release="clear 1", urls=())


async def test_it_ends_well_although_an_item_is_in_hand_that_nobody_can_be_told_of(tmp_path: Path) -> None:
    with mock_broker() as broker:
        for topic in (CONTROL, KEYSETS, RESULTS, TFHE):
            broker.create_topic(topic, 1)
        log = KafkaLog(KafkaSettings(bootstrap=broker.bootstrap))
        announced = _announcement(tmp_path)
        await log.append(KEYSETS, key=key_of(announced), value=encode(announced))
        await log.append(TFHE, key=b"t", value=encode_work(IN_HAND))
        async with worker("tfhe_worker", _settings(tmp_path, broker.bootstrap), "w", tmp_path) as process:
            (told,) = [record async for record in log.read(RESULTS, 0, 0, 1)]
            assert isinstance(decode_result(told.value or b""), Started)
            await log.close()
            broker.down()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(120):
                assert await process.wait() == 0  # 1 after the drain deadline
