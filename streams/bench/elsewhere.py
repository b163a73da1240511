"""Another process of this machine: its memory, its caches and its hash seed are its own."""

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_another_process(call: Callable[[T], R], given: Iterable[T]) -> list[R]:
    """Results in order, all from one process, which is begun for them and ends with them.

    Args:
        call: a function of a module, or a `partial` of one.
        given: what it is called with.
    """
    # Spawned, not forked: a fork would begin with everything that this process holds.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return list(other.map(call, given))
