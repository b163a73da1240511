"""Keyswitches and bootstraps per second of a device, whose every word is held against the device `cpu`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.raw import raw_batch

SEED: Final = b"bench bootstraps"
REPEATS: Final = 3  # the least of them counts: a busy neighbour only adds


@dataclass(frozen=True, slots=True)
class Speed:
    """Of batches of one size."""

    batch: int
    seconds: float
    differing_words: int  # from the device `cpu`: none on a device that works

    @property
    def per_second(self) -> float:
        """Keyswitches with their bootstraps."""
        return self.batch / self.seconds


def speeds(
    device: Device, cpu: Device, batches: Iterable[int], clock: Callable[[], float]
) -> Iterator[Speed]:
    """One after the other; the first run of each, which uploads keys and compiles, is not timed."""
    for count in batches:
        batch = raw_batch(SeededSource(SEED), device.parameters, count)
        pairs = zip(device.bootstrap(batch), cpu.bootstrap(batch), strict=True)
        differing = sum(int((found != expected).sum()) for found, expected in pairs)
        seconds = min(_seconds(device, batch, clock) for _ in range(REPEATS))
        yield Speed(count, seconds, differing)


def _seconds(device: Device, batch: Bootstraps, clock: Callable[[], float]) -> float:
    started = clock()
    device.bootstrap(batch)
    return clock() - started
