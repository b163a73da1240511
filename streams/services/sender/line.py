"""The line of an address: its signed calls that are not mined, by nonce, as the node ought to have them.

Whoever waits for a call looks after the whole line, at most every few seconds and one at a time, and so does
an idle sender now and then (`idle`):

- what the node has lost is broadcast again, the same bytes;
- a nonce that nobody fills any more is filled, since nothing behind it can be mined: with the bytes that
  once lost it where there are any (the contract refuses a call that was made since), else with an empty
  transaction;
- a rejection whose request seems to be another one (`votes`) is held back, and gives its nonce to an empty
  transaction when that is certain (`doubts`);
- what has too little gas for now is signed anew with what it takes: on a rollup that follows the price of
  data while bytes wait;
- what offers too little is replaced by the same call under the same nonce with higher fees, stored before
  they are broadcast: at once where the node says so, and for the first in line when so many blocks went by.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import structlog

from streams.adapters.ethereum.errors import ContractReverted, RpcRefused
from streams.adapters.ethereum.signer import Signer
from streams.domain.digest import keccak256
from streams.domain.transactions import FILLER, StoredCall
from streams.ports import Clock
from streams.services.crashpoints import crashpoint
from streams.services.sender.alarms import Alarm, Alarms
from streams.services.sender.answers import Answer
from streams.services.sender.broadcast import broadcast, sign
from streams.services.sender.doubts import Doubts
from streams.services.sender.fees import FeePolicy, Fees
from streams.services.sender.gas import GasPolicy
from streams.services.sender.node import Node
from streams.services.sender.store import SenderStore
from streams.services.sender.votes import Votes
from streams.settings import Settings

_log = structlog.get_logger(__name__)

LOOK_AGAIN_S: Final = 3.0
NOT_MINED_S: Final = 120.0  # the first in line: then somebody should look
# A node that refuses for want of funds, or of gas, is not helped by higher fees: they would rise to the cap,
# and then more funds were wanted than anybody sends.
_FEES_HELP: Final = frozenset({Answer.TAKEN, Answer.LATER})
_TO_REPLACE: Final = frozenset({Answer.CHEAP, Answer.OUTBID, Answer.GAS})
GAS_MAX: Final = 50_000_000  # of a call that the contract refuses by now; no block of a gateway has more
_FILLER_GAS: Final = 100_000  # where the sender's own account has code that refuses the estimate
_PASSING: Final = (Alarm.FEE_CAP, Alarm.NO_FUNDS, Alarm.NODE_REFUSES, Alarm.NOT_MINED)
_FILLER_DATA: Final = b"cipherstream fills nonce "


class Front(msgspec.Struct):
    """The first in line, and since when it is the first with these bytes."""

    hash: bytes
    nonce: int
    block: int
    since_s: float  # with this nonce


class Line:
    """What is signed under one address and not mined."""

    def __init__(
        self,
        store: SenderStore,
        node: Node,
        signer: Signer,
        settings: Settings,
        clock: Clock,
        alarms: Alarms,
        on_withdrawn: Callable[[StoredCall], None],
    ) -> None:
        """Args: on_withdrawn: told of a rejection whose nonce was given away."""
        self._store = store
        self._node = node
        self.votes = Votes(node, signer.address, settings.sender.review_blocks)
        self._doubts = Doubts()
        self._on_withdrawn = on_withdrawn
        self._signer = signer
        self._chain_id = settings.gateway.chain_id
        self._patience = settings.sender.replace_after_blocks
        self.gas = GasPolicy(node, settings.sender.gas_percent)
        self._clock = clock
        self._alarms = alarms
        self.policy = FeePolicy.of(settings.sender)
        self._lock = asyncio.Lock()
        self._looked_s = float("-inf")
        self._front = Front(b"", -1, 0, 0.0)
        self._gap = -1  # a nonce that nobody filled at the last look

    async def join(self, call: StoredCall, epoch: int) -> None:
        """Broadcast a call that is new here; raises RpcError, StoreError, Fenced, ConfigurationError."""
        if await self.votes.is_misled(call, call):
            await self.tend(epoch, now=True)
            return
        answer, _ = await broadcast(self._node, call)
        if answer is not Answer.TAKEN:
            await self.tend(epoch, now=answer in _TO_REPLACE)

    def leave(self) -> None:
        """A call was mined: what held the line up is over, or is seen again at the next look."""
        for alarm in _PASSING:
            self._alarms.clear(alarm)

    async def is_waiting(self) -> bool:
        """Whether a transaction of ours is not mined, or not any more; raises RpcError, StoreError."""
        mined = await self._node.nonce(self._signer.address, "latest")
        return bool(await self._unmined(mined))

    async def tend(self, epoch: int, *, now: bool = False) -> None:
        """Look after the line, unless somebody just did; raises as `join`."""
        async with self._lock:
            at_s = self._clock.monotonic_s()
            if not now and at_s - self._looked_s < LOOK_AGAIN_S:
                return
            await self._tend(epoch, at_s)
            self._looked_s = at_s

    async def repeat(self, epoch: int) -> int:
        """Broadcast everything that is not mined; gives the first nonce that is not. Raises as `join`."""
        async with self._lock:
            mined = await self._node.nonce(self._signer.address, "latest")
            for row in self._sendable(await self._rows(mined, epoch)):
                await broadcast(self._node, row)
        return mined

    async def _tend(self, epoch: int, at_s: float) -> None:
        mined = await self._node.nonce(self._signer.address, "latest")
        rows = await self._rows(mined, epoch)
        if not rows:
            return
        # The chain waits for a nonce that no row of ours has: nothing behind it can ever be mined.
        if rows[0].nonce > mined and await self._is_gap(mined):
            rows = [await self._fill(mined, epoch), *rows]
        head = await self._node.head()
        price = await self._node.gas_price()
        self._look_at_front(rows[0], head.number, at_s)
        answers = [(row, *await broadcast(self._node, row)) for row in self._sendable(rows)]
        self._tell(answers)
        if not any(row is rows[0] and answer in _FEES_HELP for row, answer, _ in answers):
            self._front.block = head.number  # the node does not have it: no block has left it out
        # in blocks and not in seconds: a chain that makes none is not helped by higher fees
        is_stuck = head.number - self._front.block >= self._patience
        for row, answer, _ in answers:
            if answer is Answer.GAS:
                await self._give_gas(row, price, epoch)
                continue
            is_first = row is rows[0] or row.signed.max_fee < price
            is_left = is_stuck and is_first and answer in _FEES_HELP
            # Outbid by our own earlier version means that fees must rise; outbid without one, somebody else
            # signs here.
            is_low = answer is Answer.CHEAP or (answer is Answer.OUTBID and bool(row.earlier))
            if is_left or is_low:
                await self._replace(row, price, epoch)

    async def _rows(self, mined: int, epoch: int) -> list[StoredCall]:
        return [await self._harmless(row, epoch) for row in await self._unmined(mined)]

    async def _unmined(self, mined: int) -> list[StoredCall]:
        rows = await self._store.from_nonce(self._signer.address, mined)
        self._doubts.keep(row.call_hash for row in rows)
        return rows

    def _sendable(self, rows: Sequence[StoredCall]) -> list[StoredCall]:
        """Without the rejections that might hit another request."""
        return [row for row in rows if row.call_hash not in self._doubts]

    async def _harmless(self, row: StoredCall, epoch: int) -> StoredCall:
        """The row, or what takes its nonce where its call would certainly hit another request."""
        look = await self.votes.look(row, row)
        if not self._doubts.note(row.call_hash, look, self._clock.monotonic_s()):
            return row
        price = await self._node.gas_price()
        # the node may still have the old bytes
        fees = self.policy.raised(row.signed, price) or self.policy.first(price)
        refilled = await self._store.refill(epoch, row, await self._filler(row.nonce, fees))
        crashpoint("sender.filled")
        _log.warning("the request of a rejection is another one", action="vote_withdrawn", item=row.item)
        self._on_withdrawn(row)
        return refilled

    async def _is_gap(self, nonce: int) -> bool:
        """Seen twice: a node may be behind the one that was asked before."""
        was_seen, self._gap = self._gap == nonce, -1
        # the node has a transaction under it after all
        if await self._node.nonce(self._signer.address, "pending") != nonce:
            return False
        self._gap = nonce
        return was_seen

    async def _fill(self, nonce: int, epoch: int) -> StoredCall:
        call = await self._filler(nonce, self.policy.first(await self._node.gas_price()))
        await self._store.insert(epoch, call)
        crashpoint("sender.filled")
        _log.warning("nobody fills a nonce any more", action="nonce_filled", nonce=nonce)
        return call

    async def _filler(self, nonce: int, fees: Fees) -> StoredCall:
        """A transaction to ourselves that does nothing, so that those behind it can be mined."""
        address = self._signer.address
        # the nonce in the data makes its call hash its own: the table takes each call once
        data = _FILLER_DATA + str(nonce).encode()
        gas = await self._gas(address, data) or _FILLER_GAS
        return StoredCall(
            address=address,
            nonce=nonce,
            call_hash=keccak256(address + data),
            item=FILLER,
            tenant="",
            to=address,
            data=data,
            gas=gas,
            signed=sign(self._signer, self._chain_id, nonce, gas, address, data, fees),
        )

    def _look_at_front(self, row: StoredCall, block: int, at_s: float) -> None:
        front = self._front
        if row.nonce != front.nonce:
            self._alarms.clear(Alarm.FEE_CAP)
            self._front = Front(row.signed.hash, row.nonce, block, at_s)
        elif row.signed.hash != front.hash:
            self._front = Front(row.signed.hash, row.nonce, block, front.since_s)
        waited_s = at_s - self._front.since_s
        late = f"nonce {row.nonce} has been first in line for {waited_s:.0f} s: 0x{row.signed.hash.hex()}"
        self._alarms.told(Alarm.NOT_MINED, late if waited_s >= NOT_MINED_S else "")

    def _tell(self, answers: list[tuple[StoredCall, Answer, str]]) -> None:
        words = {answer: f"nonce {row.nonce}: {text}" for row, answer, text in reversed(answers)}
        self._alarms.told(Alarm.NO_FUNDS, words.get(Answer.NO_FUNDS, ""))
        self._alarms.told(Alarm.NODE_REFUSES, words.get(Answer.REFUSED, "") or words.get(Answer.GAS, ""))
        for row, answer, _ in answers:
            if answer is Answer.OUTBID and not row.earlier:
                self.foreign(row, "waits")

    def foreign(self, call: StoredCall, what: str) -> None:
        """Somebody else's transaction has a nonce of ours: the alarm stands until this process ends."""
        self._alarms.sound(
            Alarm.FOREIGN_TRANSACTION,
            f"a transaction that is not ours {what} under nonce {call.nonce} of 0x{call.address.hex()}: "
            "somebody else signs with this key",
        )

    async def _gas(self, to: bytes, data: bytes) -> int | None:
        """What a call takes now, with the margin; None where the contract refuses it."""
        try:
            estimate = await self._node.estimate_gas(self._signer.address, to, data)
        except ContractReverted:
            return None
        return self.gas.with_margin(estimate)

    async def _give_gas(self, row: StoredCall, price: int, epoch: int) -> None:
        """The nonce has to be used, whether the contract still takes the call or not."""
        try:
            wanted = await self._gas(row.to, row.data) or min(2 * row.gas, GAS_MAX)
            gas = await self.gas.within(wanted)
        except RpcRefused as error:
            _log.info(str(error), action="gas_unknown", nonce=row.nonce)
            return
        if gas != row.gas:  # else more of the same would be refused as well: the alarm stands
            fees = self.policy.raised(row.signed, price) or Fees(row.signed.max_fee, row.signed.priority_fee)
            await self._sign_anew(msgspec.structs.replace(row, gas=gas), fees, epoch)

    async def _replace(self, row: StoredCall, price: int, epoch: int) -> None:
        fees = self.policy.raised(row.signed, price)
        if fees is None:
            cap = self.policy.cap
            self._alarms.sound(
                Alarm.FEE_CAP, f"nonce {row.nonce} needs more than {cap} wei per gas, the cap of the settings"
            )
            return
        await self._sign_anew(row, fees, epoch)

    async def _sign_anew(self, row: StoredCall, fees: Fees, epoch: int) -> None:
        signed = sign(self._signer, self._chain_id, row.nonce, row.gas, row.to, row.data, fees)
        # stored before it is sent: after a crash both hashes are known, whichever was mined
        replaced = await self._store.replace(epoch, row, signed)
        crashpoint("sender.replaced")
        _log.warning(
            "call replaced",
            action="call_replaced",
            nonce=row.nonce,
            max_fee=fees.max_fee,
            tip=fees.tip,
            gas=row.gas,
        )
        await broadcast(self._node, replaced)
