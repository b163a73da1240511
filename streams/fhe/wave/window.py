"""One window for all items that a worker has in hand, and the threads that drive it.

A look-up alone costs twice what it costs in a batch, and most operations have only a few at a time: carries
ripple. So the look-ups of all items are batched; decompressions, and the refreshing of what is stored with
a carry, are jobs of the same window.

Each item keeps the thread that it came with, which waits for its outputs. A few drivers work for all: each
takes a job under the lock (`jobs`), does it with one thread of the device outside of it, and gives under it
what came of it. So Python's part of one batch, packing and re-randomisation run beside the kernel of another,
and nothing is cut into halves that wait for each other. Drivers begin with the first item and end when
nothing is inside: no thread is idle while work waits, or survives its items.
"""

import threading
from collections.abc import Callable, Iterator

import structlog

from streams.domain.errors import DeviceDistrusted
from streams.domain.results import Ciphertext
from streams.fhe.wave.executor import WaveExecutor
from streams.fhe.wave.items import Item, Stores, Ticket
from streams.fhe.wave.jobs import Job, Jobs
from streams.fhe.wave.watch import TRUSTING, Watch

_log = structlog.get_logger(__name__)


class Window:
    """For any number of threads."""

    def __init__(
        self,
        make_executor: Callable[[], WaveExecutor],
        storage: Stores,
        drivers: int = 1,
        watch: Watch = TRUSTING,
        batches: int = 0,
    ) -> None:
        """`drivers` is how many threads do jobs, `batches` how many of those are of look-ups (`Jobs`)."""
        self._jobs = Jobs(make_executor, storage, drivers, watch, batches)
        self._drivers = drivers
        self._driving = 0
        lock = threading.RLock()
        self._work = threading.Condition(lock)
        self._lock = lock
        # One for each item: a thousand threads that wake for the news of one would keep the drivers out.
        self._news = dict[Ticket, threading.Condition]()

    @property
    def size(self) -> int:
        """Items that are inside."""
        with self._work:
            return self._jobs.size

    def outputs(self, item: Item) -> Iterator[Ciphertext]:
        """The item's outputs, each once it is stored and its devices have shown that they were right.

        Raises:
            OperationError: some of them can never be computed; all others came before, and nothing else in
                the window notices.
            DevicesLost: no device is left that answers rightly.
            BaseException: what the device raised. All that is in the window ends with it.
        """
        given = set[bytes]()
        while True:
            try:
                for ciphertext in self._outputs(item):
                    if ciphertext.handle not in given:
                        given.add(ciphertext.handle)
                        yield ciphertext
                return
            except DeviceDistrusted as error:
                # As a whole, also where some outputs have gone out: what is asked for decides over the
                # look-ups, and so over the bytes of the others.
                _log.warning("an item begins again", action="item_again", reason=str(error))

    def _outputs(self, item: Item) -> Iterator[Ciphertext]:
        with self._work:
            ticket = self._jobs.enter(item)
            self._news[ticket] = threading.Condition(self._lock)
        try:
            self._see_to_drivers()
            while (ciphertext := self._next(ticket)) is not None:
                yield ciphertext
        finally:
            with self._work:
                self._jobs.leave(ticket)
                del self._news[ticket]
                self._work.notify_all()

    def _next(self, ticket: Ticket) -> Ciphertext | None:
        with self._lock:
            self._news[ticket].wait_for(lambda: ticket.has_news)
            if ticket.found:
                return ticket.found.popleft()
        if ticket.error is not None:
            raise ticket.error
        return None

    def _see_to_drivers(self) -> None:
        with self._work:
            self._work.notify_all()
            while self._driving < self._drivers:
                threading.Thread(target=self._drive, name="wave driver", daemon=True).start()
                self._driving += 1

    def _drive(self) -> None:
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Does a job; false when nothing is inside."""
        job: Job | None = None
        try:
            with self._work:
                self._work.wait_for(lambda: self._jobs.has_work or not self._jobs.size)
                job = self._jobs.take()
                self._tell_items()
                if job is None:
                    return self._stays()
            job.run()
            with self._work:
                self._jobs.give(job)
                self._tell()
        except BaseException as error:  # a panic of the native kernel is no Exception
            with self._work:
                self._jobs.fail(job, error)
                self._tell()
        return True

    def _tell(self) -> None:
        self._work.notify_all()
        self._tell_items()

    def _tell_items(self) -> None:
        for ticket, news in self._news.items():
            if ticket.has_news:
                news.notify_all()

    def _stays(self) -> bool:
        # Under the lock in which it found nothing to do: whoever enters next sees that it went.
        if self._jobs.size:
            return True
        self._driving -= 1
        self._work.notify_all()
        return False
