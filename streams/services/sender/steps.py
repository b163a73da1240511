"""How a call is made once. Steps, with what a kill after each leaves behind:

1. `Started` is acknowledged on results.v1        nothing happened; the item comes again (`sender.started`)
2. decide: the table has no row of this call and  nothing is taken (`sender.decided`)
   the contract would accept it (gas estimate)
3. commit nonce, call hash, raw bytes and fees,   its bytes are broadcast after the restart, and no other
   fenced by lock and epoch                       nonce is ever taken for the call (`sender.committed`)
4. broadcast the stored bytes                     broadcasting them again is harmless (`sender.broadcast`)
5. wait for the receipt below N blocks            the receipt is read again (`sender.receipt`)
6. settle: the row says how it ended              the next delivery is answered from it (`sender.settled`)
7. `Sent` is acknowledged on results.v1           the next delivery is answered again (`sender.resulted`)
8. the offset goes

Calls are looked at side by side and take their nonces in the order in which they came; one that was refused
goes behind the others. A call that the contract has already seen ends as `Sent(already=True)`, without a
transaction.

What is not the call's doing, a node or a database that is away, a chain that mines nothing, is waited out
with the call in our hands, however long: nothing is answered, nothing counted, and since every slot is taken
nothing more is read from the topic. Only what a contract says of the call itself ends an attempt.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from weakref import WeakValueDictionary

import msgspec
import structlog

from streams.adapters.ethereum.chain import Receipt
from streams.adapters.ethereum.errors import BlockUnknown, ContractReverted, RpcRefused
from streams.adapters.ethereum.signer import Signer
from streams.adapters.telemetry.tracing import inner
from streams.domain.errors import ConfigurationError, Fenced, Recoverable, RpcError, StoreError, Undecodable
from streams.domain.results import Sent
from streams.domain.transactions import CallState, StoredCall
from streams.domain.work import SendWork, Work
from streams.ports import Clock
from streams.services.crashpoints import crashpoint
from streams.services.sender.alarms import Alarm, Alarms
from streams.services.sender.answers import Answer, answer
from streams.services.sender.branch import Branch
from streams.services.sender.broadcast import sign
from streams.services.sender.encode import UNKNOWN, Encoder, Target
from streams.services.sender.idle import Idle
from streams.services.sender.lease import AddressTaken, Lease
from streams.services.sender.line import Line
from streams.services.sender.metrics import SenderMetrics
from streams.services.sender.node import Node
from streams.services.sender.nonces import Nonces
from streams.services.sender.patience import Patience
from streams.services.sender.reverts import Asked, CallGivenUp, CallRefused, Refusals
from streams.services.sender.review import Review
from streams.services.sender.store import SenderStore
from streams.services.sender.turns import Turn, Turns
from streams.services.sender.watch import NonceLost, Watch
from streams.services.worker.loop import Emit
from streams.settings import Settings

_log = structlog.get_logger(__name__)


class _Outcome(msgspec.Struct, frozen=True):
    transaction_hash: bytes = b""
    block_number: int = 0
    already: bool = False


class Sender:
    """Makes the calls of one address; `execute` is the worker loop's executor."""

    def __init__(
        self,
        store: SenderStore,
        node: Node,
        key: Signer,
        encoder: Encoder,
        settings: Settings,
        clock: Clock,
        metrics: SenderMetrics,
        alarms: Alarms,
        worker: str,
    ) -> None:
        self._store = store
        self._node = node
        self._key = key
        self._encoder = encoder
        self._chain_id = settings.gateway.chain_id
        self._data_bytes_max = settings.sender.data_bytes_max
        self._clock = clock
        self._metrics = metrics
        self._worker = worker
        self._alarms = alarms
        self._line = Line(store, node, key, settings, clock, alarms, self._withdrawn)
        branch = Branch(node)
        self._nonces = Nonces(store, node, key.address, alarms)
        self._watch = Watch(store, node, self._line, branch, settings.gateway.confirmations, clock)
        self._refusals = Refusals(store, key.address, settings.sender)
        self._lease = Lease(store, key.address, self._recover)
        self._nonce_lock = asyncio.Lock()
        self._turns = Turns()
        self._calls: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        blocks = settings.sender.review_blocks
        self._review = Review(store, node, self._watch, branch, key.address, blocks, self._calls)
        calls_max = settings.sender.calls_max
        self._idle = Idle(self._line, self._lease, self._review, self._take_up, calls_max, clock)

    async def execute(self, work: Work, emit: Emit) -> None:
        """Make the call and tell; raises ConfigurationError, Recoverable."""
        if not isinstance(work, SendWork):
            raise Undecodable(f"{type(work).__name__} is no work for a sender")
        crashpoint("sender.started")
        # Before the lease: the same work gives the same bytes, whoever holds the address.
        target = self._encoder.target(work.call)
        with self._metrics.of(target.kind, work.seen_ms), inner("gateway transaction", "client") as notes:
            async with self._alone(target.call_hash) as turn:
                outcome = await self._until_told(work, target, turn)
            notes["transaction.hash"] = f"0x{outcome.transaction_hash.hex()}"
            notes["block.number"] = outcome.block_number
        await emit(
            Sent(
                item=work.item,
                attempt=work.attempt,
                worker=self._worker,
                transaction_hash=outcome.transaction_hash,
                block_number=outcome.block_number,
                already=outcome.already,
            )
        )
        crashpoint("sender.resulted")

    async def look_after(self) -> None:
        """Make again what a reorganisation took, whatever else is to do; raises ConfigurationError."""
        await self._idle.run()

    async def _take_up(self, row: StoredCall) -> bool:
        """Make the call of a row that is in nobody's hands; False when it failed."""
        target = self._encoder.known(row.to, row.data)
        if target is None:
            # bytes that are under way need no contract that we know, only their line
            if row.state is not CallState.SIGNED:
                self._give_up(row, UNKNOWN, "the settings do not have its contract")
            return True
        try:
            async with self._alone(row.call_hash) as turn, self._lease.held() as epoch:
                _log.warning("a call in nobody's hands is taken up", action="call_taken_up", nonce=row.nonce)
                await self._fenced(row, target, epoch, turn)
        # Our keys are right, if they were for this call before: its request is another one on this branch.
        except (CallRefused, CallGivenUp, ConfigurationError) as error:
            self._refused_again(row, target.kind, error)
        except AddressTaken as error:
            self._left_to_holder(row, error)
        except (Recoverable, Fenced) as error:
            self._wait(row, error)
        else:
            self._review.ended(row)
            return True
        return False

    def _refused_again(self, row: StoredCall, kind: str, error: Exception) -> None:
        """It may be taken later, for as long as a reorganisation may reach it; no call goes without a try."""
        if isinstance(error, CallGivenUp) or self._review.is_past(row):
            self._give_up(row, kind, str(error))
        else:
            self._wait(row, error)

    def _left_to_holder(self, row: StoredCall, error: AddressTaken) -> None:
        """Whoever has the address looks as well; it may end before it has made the call."""
        if self._review.is_past(row):
            self._review.ended(row)
        else:
            self._wait(row, error)

    def _wait(self, row: StoredCall, error: Exception) -> None:
        _log.info(str(error), action="taken_call_waits", nonce=row.nonce, item=row.item)
        self._review.take(row)

    def _give_up(self, row: StoredCall, kind: str, reason: str) -> None:
        self._review.ended(row)
        if row.was_made:  # else its item is still to be answered, and comes again
            self._metrics.given_up(kind)
            _log.warning(reason, action="taken_call_given_up", kind=kind, nonce=row.nonce, item=row.item)

    def _withdrawn(self, row: StoredCall) -> None:
        if row.was_made:  # and nobody asks for it again: its request may come back
            self._review.take(row)

    @contextlib.asynccontextmanager
    async def _alone(self, call_hash: bytes) -> AsyncGenerator[Turn]:
        """The call's turn. It may be in our hands twice, after its deadline or a rebalance: not at once."""
        # weak: a lock lives as long as somebody is in it, and thousands of calls leave nothing behind
        lock = self._calls.setdefault(call_hash, asyncio.Lock())
        async with lock:
            with self._turns.next() as turn:
                yield turn

    async def _until_told(self, work: SendWork, target: Target, turn: Turn) -> _Outcome:
        """What passes by itself is waited out; raises what a contract's refusal means."""
        patience = Patience(self._clock)
        while True:
            try:
                # Taken anew for each try: between tries another sender may become the holder.
                async with self._lease.held() as epoch:
                    return await self._fenced(work, target, epoch, turn)
            except BlockUnknown as error:
                reason: Recoverable = error
            except (RpcRefused, NonceLost) as error:
                turn.end()  # it is about this call, perhaps: the others go first
                reason = error
            except (RpcError, StoreError, AddressTaken) as error:
                reason = error
            await patience.pause(reason)

    async def _fenced(self, work: Asked, target: Target, epoch: int, turn: Turn) -> _Outcome:
        try:
            call = await self._call(work, target, epoch, turn)
            if call is None:
                return _Outcome(already=True)
            return await self._finish(work, call, target, epoch)
        except Fenced as error:
            # Another sender took the address: its epoch is not ours, and the call is looked at again under
            # a new one.
            self._lease.forget(epoch)
            raise AddressTaken from error

    async def _call(self, work: Asked, target: Target, epoch: int, turn: Turn) -> StoredCall | None:
        """The call's row, its nonce taken in turn if it had none; None when the contract has it already."""
        # The table first: a call that was ever signed keeps its nonce, and the contract is not even asked.
        known = await self._store.find(self._key.address, target.call_hash)
        # What was made may be gone with its branch, whether anybody looked since or not.
        call = None if known is None else await self._review.standing(known, epoch)
        if call is None:
            self._require_small(target)
            gas = await self._due(work, target)
            if gas is None:
                return None
            crashpoint("sender.decided")
            call = await self._commit(work, target, gas, epoch, turn, known)
            crashpoint("sender.committed")
        # its nonce is taken, or none is needed: those behind may take theirs
        turn.end()
        return call

    async def _finish(self, work: Asked, call: StoredCall, target: Target, epoch: int) -> _Outcome:
        if call.state is CallState.CONFIRMED:
            self._line.leave()  # it may have been settled by who looked after the line
            return _Outcome(call.transaction_hash, call.block_number)
        receipt = await self._mined(call, epoch)
        return await self._settle(work, call, target, receipt, epoch)

    def _require_small(self, target: Target) -> None:
        """Before a nonce is taken: what no node takes would keep all behind it from being mined."""
        size_bytes = len(target.data)
        if size_bytes > self._data_bytes_max:
            raise CallGivenUp(f"{size_bytes} bytes of data; sender.data_bytes_max is {self._data_bytes_max}")

    async def _due(self, work: Asked, target: Target) -> int | None:
        """Gas for a call that the contract would accept now, None when it has it already.

        Raises: CallRefused, CallGivenUp, ConfigurationError, RpcError, StoreError.
        """
        try:
            estimate = await self._node.estimate_gas(self._key.address, target.to, target.data)
            is_misled = await self._line.votes.is_misled(work, target)
        except ContractReverted as refusal:
            await self._refusals.take(work, target, refusal)
            return None
        except BlockUnknown:  # the node's newest block has gone: not about this call
            raise
        except RpcRefused as refusal:
            await self._without_estimate(work, target, refusal)
            raise
        if is_misled:
            raise CallRefused("its request is another one on this branch of the gateway")
        gas = await self._line.gas.within(self._line.gas.with_margin(estimate))
        if gas < estimate:
            await self._refusals.count(work, target, f"it takes {estimate} gas, and a block has {gas}")
        return gas

    async def _without_estimate(self, work: Asked, target: Target, refusal: RpcRefused) -> None:
        meaning = answer(refusal.text)
        if meaning is Answer.GAS:
            await self._refusals.count(work, target, str(refusal))
        if meaning is Answer.NO_FUNDS:
            self._alarms.sound(Alarm.NO_FUNDS, refusal.text)
        if meaning is Answer.REFUSED:
            self._alarms.sound(Alarm.NODE_REFUSES, refusal.text)

    async def _commit(
        self, work: Asked, target: Target, gas: int, epoch: int, turn: Turn, gone: StoredCall | None
    ) -> StoredCall:
        address = self._key.address
        fees = self._line.policy.first(await self._node.gas_price())
        await turn.come()
        async with self._nonce_lock:
            nonce = await self._nonces.next()
            signed = sign(self._key, self._chain_id, nonce, gas, target.to, target.data, fees)
            call = StoredCall(
                address=address,
                nonce=nonce,
                call_hash=target.call_hash,
                item=work.item,
                tenant=work.tenant,
                to=target.to,
                data=target.data,
                gas=gas,
                signed=signed,
            )
            # The one point of no return: from here on these bytes, and no other under this nonce, are sent.
            if gone is None:
                await self._store.insert(epoch, call)
            else:
                await self._store.renew(epoch, gone, call)
        return call

    async def _mined(self, call: StoredCall, epoch: int) -> Receipt:
        try:
            receipt = await self._watch.final(call, epoch, lambda: crashpoint("sender.broadcast"))
        except NonceLost:
            # given up for this call, not for the item: it is decided again, and the contract says whether
            # it is needed
            await self._store.settle(epoch, call, CallState.LOST, call.transaction_hash, call.block_number)
            raise
        crashpoint("sender.receipt")
        return receipt

    async def _settle(
        self, work: Asked, call: StoredCall, target: Target, receipt: Receipt, epoch: int
    ) -> _Outcome:
        await self._store.settle(epoch, call, *_end(call, receipt))
        crashpoint("sender.settled")
        if receipt.is_success:
            return _Outcome(receipt.transaction_hash, receipt.block_number)
        # Mined and reverted, and would pass now: the estimate and the block saw different states, or gas
        # ran out.
        if await self._due(work, target) is not None:
            await self._refusals.count(work, target, _why_failed(call, receipt))
        return _Outcome(already=True)

    async def _recover(self, epoch: int) -> None:
        """What was signed by whoever had the address before: repeat it, or note how it ended."""
        mined = await self._line.repeat(epoch)
        for call in await self._store.signed(self._key.address):
            # only below the mined nonces can there be a receipt: one question less for each that waits
            receipt = await self._watch.receipt(call) if call.nonce < mined else None
            if receipt is not None and receipt.is_success and await self._watch.is_final(receipt):
                end = receipt.transaction_hash, receipt.block_number
                await self._store.settle(epoch, call, CallState.CONFIRMED, *end)


def _end(call: StoredCall, receipt: Receipt) -> tuple[CallState, bytes, int]:
    """The state of a mined call, with the transaction and the block in which it was made or refused."""
    if receipt.is_success:
        return CallState.CONFIRMED, receipt.transaction_hash, receipt.block_number
    if call.was_made:  # and is not on this branch: its row says that somebody has to make it again
        return CallState.LOST, call.transaction_hash, call.block_number
    return CallState.REVERTED, receipt.transaction_hash, receipt.block_number


def _why_failed(call: StoredCall, receipt: Receipt) -> str:
    if receipt.gas_used >= call.gas:
        return f"it was mined and ran out of its {call.gas} gas: raise sender.gas_percent"
    return "it was mined and refused, and would pass now"
