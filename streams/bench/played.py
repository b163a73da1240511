"""Workers and sender that compute nothing: they say what real ones say, in as many bytes."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Final

from streams.adapters.ethereum import calls
from streams.adapters.kafka.log import KafkaLog
from streams.adapters.postgres.sender_store import PostgresSenderStore
from streams.adapters.system import SystemClock
from streams.bench.ciphertext_sizes import stored_bytes
from streams.bench.facts import KEY_ID
from streams.bench.gateway_facts import EXTRA, OWN, SIGNATURE_BYTES, amount, noise
from streams.domain.control import WorkerHeartbeat
from streams.domain.digest import keccak256
from streams.domain.operands import handle_type
from streams.domain.operations import FheType
from streams.domain.results import (
    Ciphertext,
    Computed,
    Proven,
    Result,
    Sent,
    Squashed,
    Started,
    encode_result,
)
from streams.domain.transactions import CallState, Signed, StoredCall
from streams.domain.work import (
    AddMaterial,
    ComputeWork,
    ProofWork,
    SendWork,
    SquashWork,
    VerifyResponse,
    Work,
    WorkClass,
    decode_work,
)
from streams.messages.topics import RESULTS, WORK
from streams.ports import Record
from streams.services.worker.envelope import result_headers
from streams.services.worker.heartbeat import Heartbeat

_SLOTS: Final = 128
_COMPUTING: Final = (WorkClass.TFHE, WorkClass.ZKPROOF, WorkClass.SNS)  # those that beat
_CLASSES: Final[dict[type[Work], WorkClass]] = {
    ComputeWork: WorkClass.TFHE,
    ProofWork: WorkClass.ZKPROOF,
    SquashWork: WorkClass.SNS,
    SendWork: WorkClass.SENDER,
}
_ENVELOPE_BYTES: Final = 120  # of a transaction beside its data: fees, nonce, address, signature
_GAS: Final = 500_000
_FEE: Final = 10**9
_FORMAT: Final = 11  # of objects: compressed


def name(work_class: WorkClass) -> str:
    """The worker of a class, in a name as long as those of real ones."""
    return f"{work_class}-worker-0.example.org-1"


def value(handle: bytes) -> Ciphertext:
    """A ciphertext of the handle's type, by its length."""
    fhe_type = FheType(handle_type(handle))
    return Ciphertext(handle=handle, fhe_type=fhe_type, ct64=noise(handle, stored_bytes(fhe_type)))


def result(work: Work) -> Result:
    """What a worker of its class finds out about this work."""
    item, attempt, worker = work.item, work.attempt, name(_CLASSES[type(work)])
    match work:
        case ComputeWork():
            values = tuple(map(value, work.outputs))
            return Computed(item=item, attempt=attempt, worker=worker, key_id=work.key_id, ciphertexts=values)
        case ProofWork():
            only = value(amount(work.zk_proof_id))
            return Proven(
                item=item,
                attempt=attempt,
                worker=worker,
                verified=True,
                key_id=work.key_id,
                handles=(only.handle,),
                ciphertexts=(only,),
            )
        case SquashWork():
            ct64 = work.ciphertext.ct64
            return Squashed(
                item=item,
                attempt=attempt,
                worker=worker,
                handle=work.ciphertext.handle,
                key_id=work.key_id,
                ct64_digest=keccak256(ct64),
                ct128_digest=hashlib.sha256(ct64).digest(),
                format=_FORMAT,
                signer=OWN,
                attestation=noise(ct64, SIGNATURE_BYTES),
            )
        case SendWork():
            transaction = hashlib.sha256(item.encode()).digest()
            return Sent(
                item=item, attempt=attempt, worker=worker, transaction_hash=transaction, block_number=1
            )


class Workers:
    """One of each class, and a sender with its table."""

    def __init__(self, log: KafkaLog, sender: PostgresSenderStore) -> None:
        self._to = log
        self._sender = sender
        self.commits: list[AddMaterial] = []  # sent, and not taken yet

    async def run(self) -> None:
        """Answer everything until cancelled; raises BrokerError, StoreError, Undecodable."""
        async with asyncio.TaskGroup() as tasks:
            for work_class in _COMPUTING:
                tasks.create_task(Heartbeat(self._to, SystemClock(), _beats(work_class)).run())
                tasks.create_task(self._compute(work_class, tasks))
            tasks.create_task(self._send())

    def take_commits(self) -> list[AddMaterial]:
        """The commits that were sent since the last time."""
        taken, self.commits = self.commits, []
        return taken

    async def _compute(self, work_class: WorkClass, tasks: asyncio.TaskGroup) -> None:
        async for record in self._to.read(WORK[work_class], 0, 0):
            tasks.create_task(self._answer(record, decode_work(record.value or b"")))

    async def _send(self) -> None:
        epoch = await self._sender.acquire(OWN)
        assert epoch is not None  # nobody else sends here
        await self._to.partitions(WORK[WorkClass.SENDER])
        place = self._to.partition_of(WORK[WorkClass.SENDER], OWN)
        async for record in self._to.read(WORK[WorkClass.SENDER], place, 0):
            work = decode_work(record.value or b"")
            assert isinstance(work, SendWork)  # of its topic
            call = stored_call(work, record.offset)
            await self._sender.insert(epoch, call)
            await self._sender.settle(epoch, call, CallState.CONFIRMED, call.signed.hash, 1)
            # First: once it is answered nothing may be left to do, and what was sent is taken.
            if isinstance(work.call, AddMaterial):
                self.commits.append(work.call)
            await self._answer(record, work)

    async def _answer(self, record: Record, work: Work) -> None:
        limit_ms = round(1000 * work.timeout_s)
        answer = result(work)
        started = Started(item=answer.item, attempt=answer.attempt, worker=answer.worker, timeout_ms=limit_ms)
        for found in (started, answer):
            headers = result_headers(record, work.tenant, found)
            key, told = work.tenant.encode(), encode_result(found)
            await self._to.append(RESULTS, key=key, value=told, headers=headers)


def stored_call(work: SendWork, nonce: int) -> StoredCall:
    """The sender's row: the contract's call data, in a transaction that nobody signed."""
    data = _data(work)
    return StoredCall(
        address=OWN,
        nonce=nonce,
        call_hash=keccak256(data),
        item=work.item,
        tenant=work.tenant,
        to=bytes(20),
        data=data,
        gas=_GAS,
        signed=Signed(
            raw=noise(data, len(data) + _ENVELOPE_BYTES),
            hash=hashlib.sha256(data).digest(),
            max_fee=_FEE,
            priority_fee=_FEE,
        ),
    )


def _data(work: SendWork) -> bytes:
    match work.call:
        case AddMaterial() as call:
            return calls.add_ciphertext_material(
                call.handle, call.key_id, call.ct64_digest, call.ct128_digest
            )
        case VerifyResponse() as call:
            signature = noise(work.item.encode(), SIGNATURE_BYTES)
            return calls.verify_proof_response(call.zk_proof_id, call.handles, signature, EXTRA)
        case _:
            raise AssertionError(f"nobody asked for {work.call}")


def _beats(work_class: WorkClass) -> Callable[[int], WorkerHeartbeat]:
    def describe(at_ms: int) -> WorkerHeartbeat:
        return WorkerHeartbeat(
            worker=name(work_class),
            work_class=work_class,
            slots=_SLOTS,
            engine="clear",
            key_ids=(KEY_ID,),
            partitions=(0,),
            at_ms=at_ms,
        )

    return describe
