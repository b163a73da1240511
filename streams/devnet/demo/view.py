"""What one sees: a live table at a terminal, plain lines elsewhere."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streams.adapters.postgres.progress import Counts, Progress, Queue
from streams.devnet.demo.plan import Stage
from streams.domain.errors import StoreError

REFRESH_S: Final = 0.5
PLAIN_EVERY_S: Final = 10.0


class View:
    """Stages with their times, counts and queues."""

    def __init__(self, console: Console, stages: Sequence[Stage]) -> None:
        self._console = console
        self._stages = tuple(stages)
        self._started_s: dict[Stage, float] = {}
        self._took_s: dict[Stage, float] = {}
        self._counts: Counts | None = None
        self._queues: tuple[Queue, ...] = ()

    @property
    def took_s(self) -> dict[Stage, float]:
        """Seconds of each stage that is over."""
        return dict(self._took_s)

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Generator[None]:
        """The time inside is the stage's."""
        self._started_s[stage] = time.monotonic()
        self._say(f"{stage} …")
        yield
        self._took_s[stage] = time.monotonic() - self._started_s[stage]
        self._say(f"{stage} stands after {self._took_s[stage]:.1f} s")

    @contextlib.asynccontextmanager
    async def live(self) -> AsyncGenerator[None]:
        """Keep the picture fresh while the context is open."""
        if not self._console.is_terminal:
            ticker = asyncio.create_task(self._tick())
            try:
                yield
            finally:
                ticker.cancel()
            return
        with Live(self._picture(), console=self._console, auto_refresh=False, transient=True) as live:
            painter = asyncio.create_task(self._paint(live))
            try:
                yield
            finally:
                painter.cancel()

    async def watch(self, progress: Progress) -> None:
        """Read counts and queues again and again, until cancelled."""
        while True:
            with contextlib.suppress(StoreError):
                self._counts, self._queues = await progress.counts(), await progress.queues()
            await asyncio.sleep(REFRESH_S)

    async def _paint(self, live: Live) -> None:
        while True:
            live.update(self._picture(), refresh=True)
            await asyncio.sleep(REFRESH_S)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(PLAIN_EVERY_S)
            if self._counts is not None:
                self._say(counted(self._counts, self._queues))

    def _say(self, text: str) -> None:
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _picture(self) -> RenderableType:
        table = Table("stage", "", "seconds", box=None)
        for stage in self._stages:
            table.add_row(stage, *self._state(stage))
        status = counted(self._counts, self._queues) if self._counts is not None else ""
        return Group(table, Text(status))

    def _state(self, stage: Stage) -> tuple[str, str]:
        if stage in self._took_s:
            return "stands", f"{self._took_s[stage]:.1f}"
        if stage in self._started_s:
            return "runs", f"{time.monotonic() - self._started_s[stage]:.0f}"
        return "", ""


def counted(counts: Counts, queues: Sequence[Queue]) -> str:
    """Counts and lag in one line."""
    lags = ", ".join(f"{queue.work_class} {queue.waiting}+{queue.in_flight}" for queue in queues)
    return (
        f"blocks {counts.blocks}, wanted {counts.wanted}, computed {counts.computed}, "
        f"squashed {counts.squashed}, proofs {counts.proofs}, alarms {counts.alarms}"
        f"{'; waiting+in flight: ' + lags if lags else ''}"
    )
