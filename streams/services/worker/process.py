"""One life of a child process, seen by its parent: questions, answers, bounds, death."""

import asyncio
import contextlib
import math
import os
import re
import signal
import socket
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
import structlog

from streams.domain.errors import Undecodable, WorkerCrashed
from streams.domain.results import Ciphertext
from streams.fhe.blas_threads import ONE_THREAD
from streams.services.first import first_of
from streams.services.worker import frames
from streams.services.worker.batches import Outbox
from streams.services.worker.starvation import wait_while_used

_log = structlog.get_logger(__name__)

_MEMORY_WATCH_S: Final = 0.2  # a native allocation of 1 GB takes longer
BEGIN_TIMEOUT_S: Final = 120.0  # from its turn on; only a child that is stuck takes so long
_GOODBYE_S: Final = 2.0  # for a child that was told to end
_SETTING: Final = re.compile(r"CIPHERSTREAM_.+__.+|AWS_.+|OTEL_.+|PG.+|DATABASE_URL")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

OnOutput = Callable[[Ciphertext], None]


class Blame(StrEnum):
    """Whose fault the death of a child was, as far as one item is concerned."""

    GUILTY = "guilty"  # it ran alone, or hung while no other had run for long
    SUSPECT = "suspect"  # it ran with others, nobody knows
    INNOCENT = "innocent"  # it was another one


class ChildLost(WorkerCrashed):
    """The child died with this request in its hands."""

    def __init__(self, reason: str, blame: Blame) -> None:
        super().__init__(reason)
        self.blame = blame


class _Question(msgspec.Struct):
    answer: "asyncio.Future[frames.Final_]"
    on_output: OnOutput
    limit_s: float
    begun: asyncio.Event
    turn_s: float | None = None  # when an item began, by the loop's clock; not of a request about keys


class _Preparation(msgspec.Struct):
    answer: "asyncio.Task[frames.Final_]"
    items: int = 0  # that wait for it


OnCounts = Callable[[frames.Counts], None]


class Child:
    """A running child; made by `start_child`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        memory_bytes_max: int,
        on_counts: OnCounts = lambda _: None,
    ) -> None:
        self._process = process
        self._memory_bytes_max = memory_bytes_max
        self._on_counts = on_counts
        self._counts = frames.Counts()
        self._outbox = Outbox(self._write, self._refuse)
        self._preparing: dict[tuple[bytes, bytes], _Preparation] = {}
        self._questions: dict[int, _Question] = {}
        self._numbers = 0
        self._reason = ""
        self._stuck: set[int] = set()  # who may have hung
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_ended(self) -> bool:
        return self._ended.is_set()

    async def attach(self, sock: socket.socket) -> None:
        """Take the parent's end of the pair and begin to listen and to watch."""
        reader, self._writer = await asyncio.open_connection(sock=sock)
        self._tasks = (
            asyncio.create_task(self._listen(reader)),
            asyncio.create_task(self._watch_memory()),
        )

    async def ready(self, timeout_s: float) -> None:
        """Wait until it is up; raises ChildLost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await first_of(self._ended.wait(), self._ready.wait())
        if not self._ready.is_set():
            self.kill("it did not come up")
            raise ChildLost(self._reason, Blame.GUILTY)

    async def ask(self, request: Callable[[int], frames.Request], timeout_s: float) -> frames.Final_:
        """The answer to a request about keys. Too late kills the child. Raises ChildLost."""
        with self._question(timeout_s, lambda _: None) as (number, question):
            question.begun.set()
            self._require_alive()
            await self._send(request(number))
            return await self._answered(number, question)

    async def prepare(self, key_id: bytes, crs_id: bytes, timeout_s: float) -> frames.Final_:
        """Have open what an item needs; items that need the same share one request. Raises ChildLost."""
        needs = (key_id, crs_id)
        if needs not in self._preparing:
            asked = self.ask(lambda number: frames.Prepare(number, *needs), timeout_s)
            # One request for all that wait: a key set is loaded once, however many items name it at the
            # same moment.
            self._preparing[needs] = _Preparation(asyncio.create_task(asked))
            self._preparing[needs].answer.add_done_callback(lambda done: self._prepared(needs, done))
        shared = self._preparing[needs]
        shared.items += 1
        try:
            return await asyncio.shield(shared.answer)
        except ChildLost as lost:
            # a guilt that several share is a suspicion of each
            is_shared = shared.items > 1 and lost.blame is Blame.GUILTY
            raise ChildLost(str(lost), Blame.SUSPECT if is_shared else lost.blame) from lost

    async def run(self, work: frames.ChildWork, limit_s: float, on_output: OnOutput) -> frames.Final_:
        """An item's answer; outputs before it go to `on_output`. Too late kills the child. Raises ChildLost.

        Its time runs from its turn and while the child has a core; until then it waits for as long as those
        before it may take.
        """
        self._require_alive()
        # All that were before it may use their whole time; only then is the child stuck.
        patience_s = BEGIN_TIMEOUT_S + sum(question.limit_s for question in self._questions.values())
        with self._question(limit_s, on_output) as (number, question):
            self._outbox.post(frames.Run(number, work))
            if not await self._has_begun(question, patience_s):
                self.kill(f"an item did not begin within {patience_s:g} s")
            return await self._answered(number, question)

    def kill(self, reason: str) -> None:
        """End it now."""
        # the first reason is the true one: what follows are its effects
        self._reason = self._reason or reason
        # Not Process.kill: that reaps a child that is just dead, and its exit code is lost.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> str:
        """Wait for its end; the reason."""
        await self._ended.wait()
        return self._reason

    async def stop(self) -> None:
        """Tell it to end, and see to it that it does."""
        self._reason = self._reason or "it was stopped"
        if self._writer is not None:
            self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), _GOODBYE_S)
        except TimeoutError:
            self.kill(self._reason)
        await self._ended.wait()

    @contextlib.contextmanager
    def _question(self, limit_s: float, on_output: OnOutput) -> Generator[tuple[int, _Question]]:
        self._numbers += 1
        number, answer = self._numbers, asyncio.get_running_loop().create_future()
        self._questions[number] = question = _Question(answer, on_output, limit_s, asyncio.Event())
        # an answer ends the waiting for a turn as well: the child may refuse without ever beginning
        answer.add_done_callback(lambda _: question.begun.set())
        try:
            yield number, question
        finally:
            self._questions.pop(number, None)

    async def _answered(self, number: int, question: _Question) -> frames.Final_:
        if not await wait_while_used(self.pid, question.answer, question.limit_s):
            # before the kill: whoever buries the child asks who it was
            self._stuck |= self._stuck_with(number)
            self.kill(f"no answer within {question.limit_s:g} s")
        return await question.answer

    def _stuck_with(self, late: int) -> set[int]:
        now_s = asyncio.get_running_loop().time()
        turns = {number: q.turn_s for number, q in self._questions.items() if not q.answer.done()}
        return stuck({number: now_s - turn_s for number, turn_s in turns.items() if turn_s is not None}, late)

    async def _has_begun(self, question: _Question, patience_s: float) -> bool:
        begun = asyncio.create_task(question.begun.wait())
        try:
            return await wait_while_used(self.pid, begun, patience_s)
        finally:
            begun.cancel()

    def _refuse(self, run: frames.Run, error: Exception) -> None:
        question = self._questions.get(run.number)
        if question is not None and not question.answer.done():
            question.answer.set_exception(Undecodable(f"no message for the child: {error}"))

    def _prepared(self, needs: tuple[bytes, bytes], answer: "asyncio.Task[frames.Final_]") -> None:
        self._preparing.pop(needs)
        if not answer.cancelled():
            answer.exception()  # all who asked may have been cancelled

    def _require_alive(self) -> None:
        if self._writer is None or self._ended.is_set():
            raise ChildLost(self._reason or "it is not running", Blame.INNOCENT)

    async def _send(self, request: frames.Request) -> None:
        self._write(request)
        if self._writer is not None:
            with contextlib.suppress(ConnectionError):  # the end of the reader tells what happened
                await self._writer.drain()

    def _write(self, request: frames.Request) -> None:
        if self._writer is not None:
            self._writer.write(frames.frame(request))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while (reply := await frames.read_reply(reader)) is not None:
                self._take(reply)
        except (Undecodable, msgspec.MsgspecError) as error:
            self.kill(f"it sent what is no reply: {error}")
        finally:
            await self._bury()

    def _take(self, reply: frames.Reply) -> None:
        match reply:
            case frames.Ready():
                self._ready.set()
            case frames.Begun():
                now_s = asyncio.get_running_loop().time()
                for number in self._questions.keys() & set(reply.numbers):
                    self._questions[number].turn_s = now_s
                    self._questions[number].begun.set()
            case frames.Counts():
                self._on_counts(reply.since(self._counts))
                self._counts = reply
            case _:
                self._take_answer(reply)

    def _take_answer(self, reply: frames.Answer) -> None:
        question = self._questions.get(reply.number)
        if question is None or question.answer.done():
            return  # its asker was cancelled
        if isinstance(reply, frames.Output):
            question.on_output(reply.ciphertext)
        else:
            question.answer.set_result(reply)

    async def _bury(self) -> None:
        self.kill("")  # a child that closed its end is of no use
        code = await self._process.wait()
        self._reason = self._reason or f"it ended with {_exit_text(code)}"
        # the first task is this one: it is burying
        for task in self._tasks[1:]:
            task.cancel()
        if self._writer is not None:
            self._writer.close()
        waiting = {number: q for number, q in self._questions.items() if not q.answer.done()}
        # What never had its turn is innocent, unless nothing had: then reading it may be what kills.
        running = {number for number, q in waiting.items() if q.begun.is_set()} or set(waiting)
        for number, question in waiting.items():
            question.answer.set_exception(ChildLost(self._reason, _blame(number, self._stuck or running)))
        self._ended.set()

    async def _watch_memory(self) -> None:
        while (used := resident_bytes(self.pid)) <= self._memory_bytes_max:  # noqa: ASYNC110
            await asyncio.sleep(_MEMORY_WATCH_S)
        self.kill(f"it used {used >> 20} MiB, {self._memory_bytes_max >> 20} are allowed")


def stuck(ages_s: Mapping[int, float], late: int) -> set[int]:
    """Who may be why the time of one is up: itself, and what has run for half as long as it or longer.

    Items that share a batch wait for the one that hangs, and the first of them is late by chance. What came
    long after it is left out: a lone item that hangs must not have all its neighbours run one by one.
    """
    least_s = ages_s.get(late, math.inf) / 2
    return {late, *(number for number, age_s in ages_s.items() if age_s >= least_s)}


def _blame(number: int, suspects: Collection[int]) -> Blame:
    if number not in suspects:
        return Blame.INNOCENT
    return Blame.GUILTY if len(suspects) == 1 else Blame.SUSPECT


def resident_bytes(pid: int) -> int:
    """Memory that a process occupies now; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


async def start_child(
    command: Sequence[str], memory_bytes_max: int, on_counts: OnCounts = lambda _: None
) -> Child:
    """Start a child with its end of a socket pair."""
    ours, theirs = socket.socketpair()
    # closed here after the child has its copy: otherwise its end would never be seen
    with theirs:
        ending = ("--fd", str(theirs.fileno()), "--parent", str(os.getpid()))
        process = await asyncio.create_subprocess_exec(
            *command,
            *ending,
            pass_fds=(theirs.fileno(),),
            stdin=asyncio.subprocess.DEVNULL,
            env=_without_secrets(os.environ) | ONE_THREAD,
        )
    child = Child(process, memory_bytes_max, on_counts)
    await child.attach(ours)
    _log.info("child started", action="child_started", pid=process.pid)
    return child


def _without_secrets(variables: Mapping[str, str]) -> dict[str, str]:
    """An environment for who computes on strangers' bytes: no settings, among which a key or token may be."""
    return {name: value for name, value in variables.items() if not _SETTING.fullmatch(name)}


def _exit_text(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"
