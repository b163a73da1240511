"""Devices that take turns until one of them is out of service; who watches them decides when that is."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import structlog

from streams.domain.errors import DeviceDistrusted, DevicesLost, Recoverable

# What says nothing about a device: no memory now, on the GPU or here.
PASSING: Final = (Recoverable, MemoryError)

_log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Post:
    """What is known of a device, under a name for people."""

    name: str
    is_out: bool = False
    busy: int = 0  # calls that it is at
    turns: int = 0  # calls that it was given


P = TypeVar("P", bound=Post)


class Roster(Generic[P]):
    """The devices of a worker; for several threads at once."""

    def __init__(self, posts: Sequence[P], on_out: Callable[[], None] = lambda: None) -> None:
        """`on_out` is called with the lock held, before anybody can know of the new epoch."""
        self.posts = posts
        self.lock = threading.Lock()
        self.epoch = 0  # devices that were taken out
        self._on_out = on_out

    @contextmanager
    def turn(self) -> Generator[P]:
        """The device of a call, until the block ends; raises DevicesLost where none is left."""
        with self.lock:
            there = [post for post in self.posts if not post.is_out]
            if not there:
                raise DevicesLost
            # Who has least to do: drivers beside each other get a device each.
            post = min(there, key=lambda post: (post.busy, post.turns))
            post.busy += 1
            post.turns += 1
        try:
            yield post
        finally:
            with self.lock:
                post.busy -= 1

    def taken_out(self, post: P, reason: str) -> DeviceDistrusted | DevicesLost:
        """Take it out of service, and give the error for its caller."""
        with self.lock:
            is_news, post.is_out = not post.is_out, True
            if is_news:
                self._on_out()
                self.epoch += 1
            left = sum(not each.is_out for each in self.posts)
        if is_news:
            name = post.name
            _log.error("device out of service", action="device_out", device=name, reason=reason, left=left)
        return self.verdict(post, reason)

    def verdict(self, post: P, reason: str = "it is out of service") -> DeviceDistrusted | DevicesLost:
        """The error for a caller of a device that is out; it asks for no lock."""
        kind = DevicesLost if all(each.is_out for each in self.posts) else DeviceDistrusted
        return kind(f"{post.name}: {reason}")
