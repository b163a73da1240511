"""New heads of a chain: by subscription, and by asking while the socket is away.

A head is a hint that there is something to read: heads repeat, are skipped, and come with numbers already
seen after a reorganisation. On every connection the newest one comes first, so that nothing falls in between.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from streams.adapters.ethereum.chain import EthereumChain, Head, WireHead
from streams.adapters.ethereum.rpc import UNREADABLE
from streams.domain.errors import RpcError
from streams.ports import Clock

OPEN_TIMEOUT_S: Final = 5.0
PING_INTERVAL_S: Final = 10.0  # a peer that vanished is noticed after interval and timeout
PING_TIMEOUT_S: Final = 20.0
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024  # heads are small, but the limit must not end a connection

_SUBSCRIBE: Final = b'{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}'
_log = structlog.get_logger(__name__)


class _Params(msgspec.Struct, frozen=True):
    result: WireHead


class _Notification(msgspec.Struct, frozen=True):
    params: _Params | None = None
    error: object = None


_NOTIFICATION: Final = msgspec.json.Decoder(_Notification)


class HeadSource:
    """Heads of one chain, for ever."""

    def __init__(
        self,
        chain: EthereumChain,
        ws_url: str,
        *,
        clock: Clock,
        poll_s: float = 1.0,
        reconnect_s: float = 5.0,
    ) -> None:
        self._chain = chain
        self._ws_url = ws_url
        self._clock = clock
        self._poll_s = poll_s
        self._reconnect_s = reconnect_s

    async def heads(self) -> AsyncGenerator[Head]:
        """Heads as they come; ends only by being closed. A node that is away is waited for."""
        while True:
            # In turn for ever: polling lasts for a while only, then the subscription is tried again.
            for source in (self._subscribed, self._polled):
                async with aclosing(source()) as heads:
                    async for head in heads:
                        yield head

    async def _subscribed(self) -> AsyncGenerator[Head]:
        try:
            async with self._connect() as socket:
                await socket.send(_SUBSCRIBE, text=True)
                _read(await socket.recv(decode=False))
                # Asked for after the subscription stands: what came while there was none is not missed.
                yield await self._chain.head()
                async for message in socket:
                    head = _read(message)
                    if head is not None:
                        yield head
        except (OSError, WebSocketException, RpcError) as error:
            _log.warning("subscription lost", action="heads_lost", error=type(error).__name__)

    async def _polled(self) -> AsyncGenerator[Head]:
        last: Head | None = None
        until_s = self._clock.monotonic_s() + self._reconnect_s
        while self._clock.monotonic_s() < until_s:
            await self._clock.sleep(self._poll_s)
            head = await self._ask()
            if head is not None and head != last:
                last = head
                yield head

    async def _ask(self) -> Head | None:
        try:
            return await self._chain.head()
        except RpcError as error:
            _log.warning("node away", action="heads_poll_failed", error=str(error))
            return None

    def _connect(self) -> connect:
        return connect(
            self._ws_url,
            open_timeout=OPEN_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            max_size=MESSAGE_BYTES_MAX,
            proxy=None,
            create_connection=ClientConnection,
        )


def _read(message: str | bytes) -> Head | None:
    """The head in a notification; None for the answer to the subscription itself."""
    try:
        notification = _NOTIFICATION.decode(message)
    except UNREADABLE as error:
        raise RpcError("the node's notification has another shape") from error
    if notification.error is not None:
        raise RpcError("the node refused the subscription")
    return None if notification.params is None else notification.params.result.read()
