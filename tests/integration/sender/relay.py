"""A database that stops answering: a relay before the real one passes nothing on after certain words."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from streams.settings import PostgresSettings

_CHUNK_BYTES = 65_536


class Relay:
    """Between a process and its database."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self.stops_at = b""  # words of a request; nothing is passed on from it on
        self.fell_silent = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_silent(self) -> bool:
        return self.fell_silent.is_set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        to_us, from_us = await asyncio.open_connection(self._host, self._port)
        for passing in (self._pass(reader, from_us), self._pass(to_us, writer)):
            task = asyncio.create_task(passing)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                if self.stops_at and self.stops_at in chunk:
                    self.fell_silent.set()
                if not self.is_silent:
                    writer.write(chunk)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def relayed(settings: PostgresSettings) -> AsyncGenerator[tuple[Relay, PostgresSettings]]:
    """A relay, and settings whose database is behind it."""
    url = urlsplit(settings.url.get_secret_value())
    relay = Relay(url.hostname or "127.0.0.1", url.port or 5432)
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] = relay.serve
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    user = url.netloc.rpartition("@")[0]
    place = urlunsplit(url._replace(netloc=f"{user}@127.0.0.1:{port}"))
    try:
        yield relay, settings.model_copy(update={"url": SecretStr(place)})
    finally:
        server.close()
        await relay.close()
