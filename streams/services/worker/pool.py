"""Keeps a child alive and gives it work: timeouts, crashes, and who is to blame for them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import structlog

from streams.domain import errors
from streams.domain.errors import CipherstreamError, Fatal, Irrecoverable, WorkerCrashed
from streams.domain.work import ProofWork
from streams.ports import Clock
from streams.services.worker import frames
from streams.services.worker.process import Blame, Child, ChildLost, OnCounts, OnOutput, start_child

_log = structlog.get_logger(__name__)

START_TIMEOUT_S: Final = 120.0  # the native library on a busy machine
LOOKUP_S: Final = 0.007  # on the machine on which the costs of operations were measured
OPEN_TIMEOUT_S: Final = 600.0  # loading keys takes 11-16 s on a quiet one
_BACKOFF_S: Final = (0.1, 0.5, 2.0, 5.0, 10.0)  # after a death, by deaths without an answer between
# An engine has finer errors than the tree; what is to be done about them is the same.
_BY_CATEGORY: Final = {kind.category: kind for kind in (Irrecoverable, Fatal)}

OnState = Callable[[bool, str], None]
_Opening = Callable[[int, bool], frames.Request]  # of a number, and whether to load at once


class Computes(Protocol):
    """What executors ask of a pool."""

    async def execute(self, work: frames.ChildWork, on_output: OnOutput) -> frames.Final_: ...


class Gate:
    """Items run together; one that is suspected of having killed a child runs alone."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self._inside = 0
        self._alone = 0  # waiting or inside

    @contextlib.asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncGenerator[None]:
        self._alone += alone
        try:
            async with self._changed:
                # A suspect waits until nobody is inside; nobody enters while a suspect waits or runs, or it
                # would never come.
                await self._changed.wait_for(lambda: not self._inside if alone else not self._alone)
                self._inside += 1
            try:
                yield
            finally:
                self._inside -= 1
        finally:
            self._alone -= alone
            async with self._changed:
                self._changed.notify_all()


class Pool:
    """The child of this worker over all its lives."""

    def __init__(
        self,
        command: Sequence[str],
        clock: Clock,
        *,
        memory_bytes_max: int,
        crowd: float = 1.0,
        on_state: OnState = lambda _ok, _detail: None,
        on_counts: OnCounts = lambda _: None,
    ) -> None:
        """`crowd` is how many items share a thread when all slots are taken."""
        self._crowd = max(1.0, crowd)
        self._on_counts = on_counts
        self._command = tuple(command)
        self._clock = clock
        self._memory_bytes_max = memory_bytes_max
        self._on_state = on_state
        self._opens: dict[bytes, _Opening] = {}
        self._newest: dict[str, bytes] = {}  # what each child loads at once, by kind
        self._opened: set[bytes] = set()
        self._child: Child | None = None
        self._up: asyncio.Future[Child] | None = None
        self._gate = Gate()
        self._deaths = 0  # since the last answer
        self._lookup_s = 0.0  # of this machine, as the child measured it
        self._is_stopping = False

    @property
    def pid(self) -> int | None:
        """Of the child that lives."""
        return self._child.pid if self._child is not None and not self._child.is_ended else None

    async def run(self) -> None:
        """Keep a child up until `stop`; raises Fatal when it refuses a key."""
        while not self._is_stopping:
            child = self._child = await self._start()
            try:
                await self._live(child)
            except CipherstreamError as error:
                child.kill(str(error))
                if isinstance(error, Fatal):
                    self._give_up(error)
                    raise
            finally:
                self._forget()
                await child.stop()
            await self._mourn(await child.ended())

    async def execute(self, work: frames.ChildWork, on_output: OnOutput) -> frames.Final_:
        """Compute an item. An innocent one is given to the next child; raises what the child raised."""
        alone = False
        while True:
            try:
                async with self._gate.enter(alone=alone):
                    answer = await self._ask(work, on_output, alone=alone)
                break
            except ChildLost as lost:
                if lost.blame is Blame.GUILTY:
                    raise WorkerCrashed(f"the child that computed this: {lost}") from lost
                # alone from now on: if the child dies again, it is known by whom
                alone = alone or lost.blame is Blame.SUSPECT
        self._deaths = 0
        return _checked(answer)

    async def _ask(self, work: frames.ChildWork, on_output: OnOutput, *, alone: bool) -> frames.Final_:
        child = await self._living()
        # Before its time begins: the key set may be one that is loaded for this item.
        self._opened_keys(await child.prepare(work.key_id, _crs_id(work), OPEN_TIMEOUT_S))
        return await child.run(work, self.limit_s(work.timeout_s, alone=alone), on_output)

    def limit_s(self, timeout_s: float, *, alone: bool = False) -> float:
        """The time that an item may take here; its own is for a fast machine and a thread for itself.

        It has that when it runs alone. The graph is told what it has among others: nobody knows before who
        will be a suspect, and who is one has less time and not more.
        """
        return timeout_s * (1.0 if alone else self._crowd) * max(1.0, self._lookup_s / LOOKUP_S)

    async def open_keys(self, key_id: bytes, directory: Path, *, at_once: bool = True) -> None:
        """Make that key set known to this child and to all later ones, which load the newest at once.

        Raises: Fatal when it is refused.
        """
        if at_once:
            self._newest["keys"] = key_id
        await self._open(key_id, lambda number, now: frames.OpenKeys(number, key_id, directory, now))

    async def open_crs(self, crs_id: bytes, file: Path, *, at_once: bool = True) -> None:
        """The same for a reference string."""
        if at_once:
            self._newest["crs"] = crs_id
        await self._open(crs_id, lambda number, now: frames.OpenCrs(number, crs_id, file, now))

    async def stop(self) -> None:
        """End the child; `run` returns."""
        self._is_stopping = True
        if self._child is not None:
            await self._child.stop()

    async def _start(self) -> Child:
        return await start_child(self._command, self._memory_bytes_max, self._on_counts)

    async def _live(self, child: Child) -> None:
        await child.ready(START_TIMEOUT_S)
        # A new child is not up before it knows what the old one knew, and no more: a key that never opened
        # is tried by who asked for it, and must not keep the others from being used.
        for identity in [known for known in self._opens if known in self._opened]:
            await self._ask_open(child, identity)
        self._rise(child)
        self._on_state(True, f"child {child.pid}")
        await child.ended()

    def _rise(self, child: Child) -> None:
        if self._up is None:
            self._up = asyncio.get_running_loop().create_future()
        self._up.set_result(child)

    def _forget(self) -> None:
        if self._up is not None and self._up.done() and self._up.exception() is None:
            self._up = None

    def _give_up(self, error: Fatal) -> None:
        # Whoever waits for a child learns why there will be none.
        if self._up is not None and not self._up.done():
            self._up.set_exception(error)
            # asked for, so that nobody waiting is no warning
            self._up.exception()

    async def _living(self) -> Child:
        while True:
            if self._up is None:
                self._up = asyncio.get_running_loop().create_future()
            child = await asyncio.shield(self._up)
            if not child.is_ended:
                return child
            await asyncio.sleep(0)  # `run` is about to notice

    async def _mourn(self, reason: str) -> None:
        if self._is_stopping:
            return
        self._on_state(False, reason)
        delay_s = _BACKOFF_S[min(self._deaths, len(_BACKOFF_S) - 1)]
        self._deaths += 1
        _log.error("child lost", action="child_lost", reason=reason, deaths=self._deaths, again_s=delay_s)
        await self._clock.sleep(delay_s)

    async def _open(self, identity: bytes, opening: _Opening) -> None:
        self._opens[identity] = opening
        while identity not in self._opened:
            child = await self._living()
            with contextlib.suppress(ChildLost):  # the next child is asked again
                await self._ask_open(child, identity)

    async def _ask_open(self, child: Child, identity: bytes) -> None:
        opening, at_once = self._opens[identity], identity in self._newest.values()
        self._opened_keys(await child.ask(lambda number: opening(number, at_once), OPEN_TIMEOUT_S))
        self._opened.add(identity)

    def _opened_keys(self, answer: frames.Final_) -> None:
        answer = _checked(answer)
        if isinstance(answer, frames.Opened) and answer.lookup_s:
            self._lookup_s = answer.lookup_s


def _crs_id(work: frames.ChildWork) -> bytes:
    return work.crs_id if isinstance(work, ProofWork) else b""


def _checked(answer: frames.Final_) -> frames.Final_:
    if not isinstance(answer, frames.Broken):
        return answer
    kind = getattr(errors, answer.error, None) or _BY_CATEGORY.get(answer.category, WorkerCrashed)
    raise kind(answer.message)
