"""The sender's table on Postgres; the lock of an address lives as long as one connection of the pool."""

import asyncio
import contextlib
from collections.abc import Generator
from typing import Any, Final

import asyncpg
import msgspec

from streams.adapters.postgres import migrate, pool, queries
from streams.domain.errors import Fenced, StoreError
from streams.domain.transactions import (
    LINE_MAX,
    REVIEW_MAX,
    CallState,
    RefusedCall,
    Signed,
    StoredCall,
    call_transition,
)
from streams.settings import PostgresSettings

_SQL: Final = queries.load("sender.sql")
CONNECTIONS: Final = 4  # one holds the lock
_REASON_CHARS_MAX: Final = 2000


async def open_sender_store(settings: PostgresSettings) -> "PostgresSenderStore":
    """Connect; raises StoreError, ConfigurationError."""
    return PostgresSenderStore(await pool.open_pool(settings, CONNECTIONS))


class PostgresSenderStore:
    """SenderStore over the tables of 0002_transactions.sql and 0003_refusals.sql."""

    def __init__(self, connections: pool.Pool) -> None:
        self._pool = connections
        self._holding: dict[bytes, pool.Connection] = {}

    async def check(self) -> None:
        """Refuse a schema without our table; raises ConfigurationError, StoreError."""
        await migrate.check(self._pool)

    async def acquire(self, address: bytes) -> int | None:
        """Become the holder and get a new epoch, or None while somebody else is the holder."""
        await self.release(address)
        with pool.translated():
            connection = await self._pool.acquire(timeout=pool.COMMAND_TIMEOUT_S)
            epoch: int | None = None
            try:
                if await connection.fetchval(_SQL["lock"], address):
                    epoch = await connection.fetchval(_SQL["claim"], address)
            except BaseException:
                await pool.give_up(self._pool, connection)
                raise
            if epoch is None:
                await self._give_back(connection)
            else:
                self._holding[address] = connection
            return epoch

    async def release(self, address: bytes) -> None:
        """Let go, before long: cutting the connection does it too; does nothing for who is not the holder."""
        connection = self._holding.pop(address, None)
        if connection is None:
            return
        with pool.translated():
            try:
                if not connection.is_closed():
                    async with asyncio.timeout(pool.CLOSE_S):
                        await connection.execute(_SQL["unlock"], address)
            except BaseException:
                # Or giving it back would wait for the answer to what was asked last.
                pool.cut(connection)
                raise
            finally:
                await self._give_back(connection)

    async def find(self, address: bytes, call_hash: bytes) -> StoredCall | None:
        """The row of a call that is signed or confirmed."""
        found = await self._fetch("find", address, call_hash)
        return _call(found[0]) if found else None

    async def signed(self, address: bytes) -> list[StoredCall]:
        """Rows in state signed, by nonce."""
        return [_call(record) for record in await self._fetch("signed", address)]

    async def from_nonce(self, address: bytes, nonce: int) -> list[StoredCall]:
        """Rows with that nonce or a higher one, by nonce, the first LINE_MAX."""
        return [_call(record) for record in await self._fetch("from_nonce", address, nonce, LINE_MAX)]

    async def made(self, address: bytes, block_number: int) -> list[StoredCall]:
        """Of the newest REVIEW_MAX rows those that were made in that block or a higher one, by nonce."""
        found = await self._fetch("made", address, block_number, REVIEW_MAX)
        return [_call(record) for record in found]

    async def next_nonce(self, address: bytes) -> int:
        """One above the highest nonce that was ever stored, 0 without any."""
        return (await self._fetch("next_nonce", address))[0][0]

    async def insert(self, epoch: int, call: StoredCall) -> None:
        """Take a nonce for a call; raises Fenced also when nonce or call are taken already."""
        with _taken_once(call):
            await self._write("insert", epoch, *_columns(call))

    async def renew(self, epoch: int, gone: StoredCall, call: StoredCall) -> None:
        """At once: a confirmed row is lost for good, and its call takes another nonce; raises as `insert`."""
        end = _end(gone, CallState.LOST, b"", 0)
        async with pool.acquired(self._pool) as connection:
            with _taken_once(call):
                # In one transaction: a call without a row that is open would be made by nobody.
                async with connection.transaction():
                    _require_held(await connection.fetch(_SQL["settle"], epoch, *end))
                    _require_held(await connection.fetch(_SQL["insert"], epoch, *_columns(call)))

    async def reopen(self, epoch: int, call: StoredCall) -> StoredCall:
        """A confirmed row is under way again, and tells where it was; raises IllegalTransition for others."""
        was = call.transaction_hash, call.block_number
        await self._write("settle", epoch, *_end(call, CallState.SIGNED, *was))
        return msgspec.structs.replace(call, state=CallState.SIGNED)

    async def refill(self, epoch: int, call: StoredCall, other: StoredCall) -> StoredCall:
        """Another call under the nonce of one that must not be sent, whatever became of it."""
        what = (other.call_hash, other.item, other.tenant, other.to, other.data, other.gas)
        await self._write("refill", epoch, *_place(call), *what, *_signature(other.signed))
        return msgspec.structs.replace(other, earlier=call.hashes)

    async def replace(self, epoch: int, call: StoredCall, signed: Signed) -> StoredCall:
        """Other bytes, with that gas, for the same nonce and call; the old hash is kept."""
        await self._write("replace", epoch, *_place(call), *_signature(signed), call.gas)
        return msgspec.structs.replace(call, signed=signed, earlier=call.hashes)

    async def settle(
        self, epoch: int, call: StoredCall, state: CallState, transaction_hash: bytes, block_number: int
    ) -> None:
        """End the life of a signed row; raises IllegalTransition."""
        await self._write("settle", epoch, *_end(call, state, transaction_hash, block_number))

    async def refused(self, refused: RefusedCall) -> int:
        """Count a refusal; how often this call was refused, this time included."""
        what = (refused.address, refused.call_hash, refused.item, refused.tenant, _text(refused.error))
        return (await self._fetch("refused", *what))[0]["count"]

    async def close(self) -> None:
        """Release everything, before long: a lock whose connection is cut is free as well."""
        try:
            async with asyncio.timeout(pool.CLOSE_S):
                for address in tuple(self._holding):
                    await self.release(address)
                await self._pool.close()
        except (TimeoutError, StoreError, asyncpg.InterfaceError, OSError):
            self._pool.terminate()

    async def _give_back(self, connection: pool.Connection) -> None:
        # The driver asks it to tidy up, for as long as a statement may take unless told otherwise, and ends
        # it when it does not answer.
        await self._pool.release(connection, timeout=pool.CLOSE_S)

    async def _fetch(self, name: str, *arguments: Any) -> list[Any]:
        async with pool.acquired(self._pool) as connection:
            return await connection.fetch(_SQL[name], *arguments)

    async def _write(self, name: str, epoch: int, *arguments: Any) -> None:
        _require_held(await self._fetch(name, epoch, *arguments))


def _require_held(written: list[Any]) -> None:
    if not written:
        raise Fenced("another sender has this address")


@contextlib.contextmanager
def _taken_once(call: StoredCall) -> Generator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise Fenced(f"nonce {call.nonce} or its call is taken") from error


def _place(call: StoredCall) -> tuple[bytes, int, bytes]:
    return call.address, call.nonce, call.call_hash


def _columns(call: StoredCall) -> tuple[Any, ...]:
    what = (call.item, call.tenant, call.to, call.data, call.gas)
    return *_place(call), *what, *_signature(call.signed)


def _end(call: StoredCall, state: CallState, transaction_hash: bytes, block_number: int) -> tuple[Any, ...]:
    call_transition(call.state, state)
    return *_place(call), call.state.value, state.value, transaction_hash, block_number


def _text(reason: str) -> str:
    return reason.replace("\0", "\ufffd")[:_REASON_CHARS_MAX]  # a column of text holds no NUL


def _signature(signed: Signed) -> tuple[bytes, bytes, int, int]:
    return signed.raw, signed.hash, signed.max_fee, signed.priority_fee


def _call(record: Any) -> StoredCall:
    return StoredCall(
        address=record["address"],
        nonce=record["nonce"],
        call_hash=record["call_hash"],
        item=record["item"],
        tenant=record["tenant"],
        to=record["to_address"],
        data=record["data"],
        gas=record["gas"],
        signed=Signed(
            raw=record["raw"],
            hash=record["hash"],
            max_fee=int(record["max_fee"]),
            priority_fee=int(record["priority_fee"]),
        ),
        earlier=tuple(record["earlier"]),
        state=CallState(record["state"]),
        block_number=record["block_number"],
        transaction_hash=record["transaction_hash"],
    )
