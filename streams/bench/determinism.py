"""Same input, same bytes: the same operations in every way that there is to compute them.

What operators agree on are digests, so nothing that differs between two machines, or between two minutes of
one, may show in a byte: the device, its instruction path, how many threads, what shares a batch, in which
order it came, the process. Keys and numbers are random words: nothing decrypts, which other tests see to.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, partial
from itertools import product
from typing import Final, TypeVar

import numpy as np

from streams.bench.determinism_sample import Sample
from streams.bench.elsewhere import in_another_process
from streams.bench.random_keys import RandomKeys
from streams.domain.work import ComputeWork
from streams.fhe.devices.cpu_squashing import paired
from streams.fhe.devices.port import Bootstraps, Device, Squashing
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters
from streams.fhe.wave.keys import WaveKeys
from streams.fhe.wave.suite import WaveCompute

STEPS: Final = 24  # of a rotation: what every step does, two dozen times
SEED: Final = b"determinism"
OPERATIONS: Final = ("decompress", "re-randomise", "transfer", "random", "compress", "squash")

T = TypeVar("T")
R = TypeVar("R")


class Order(StrEnum):
    """How components come to the window."""

    ALONE = "alone"  # one after the other
    BESIDE = "beside"  # all at once, the last one first, and a stranger among them


class Process(StrEnum):
    """Where it is computed."""

    OWN = "own"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to compute."""

    device: str
    path: str  # an instruction set; empty on a GPU
    threads: int  # drivers of the window, and of a call of the kernel
    batch: int  # what is computed together, at most
    order: Order
    process: Process = Process.OWN

    def __str__(self) -> str:
        path = f" {self.path}" if self.path else ""
        process = "" if self.process is Process.OWN else ", another process"
        return f"{self.device}{path}, {self.threads} threads, batches of {self.batch}, {self.order}{process}"

    @property
    def is_crowded(self) -> bool:
        """Whether components meet in the window."""
        return self.order is Order.BESIDE

    def arranged(self, given: Sequence[T]) -> list[T]:
        """In the order in which they come."""
        return list(reversed(given) if self.is_crowded else given)


@dataclass(frozen=True, slots=True)
class Found:
    """Digests by operation; a device without squashing has none of it."""

    way: Way
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Engine:
    """What computes in one of the ways."""

    keys: WaveKeys
    squashing: Squashing | None = None


@dataclass(frozen=True)
class _Batches:
    """A device that likes batches of another size."""

    device: Device
    batch_size: int

    @property
    def parameters(self) -> Parameters:
        return self.device.parameters

    def bootstrap(self, batch: Bootstraps) -> list[Words]:
        return self.device.bootstrap(batch)

    def rotate(self, batch: Bootstraps) -> list[Words]:
        return self.device.rotate(batch)


def ways(
    paths: Iterable[tuple[str, str]],
    threads: Iterable[int],
    batches: Iterable[int],
    process: Process = Process.OWN,
) -> list[Way]:
    """All combinations.

    Args:
        paths: devices, each with an instruction path.
        threads: of each.
        batches: sizes.
        process: of all of them.
    """
    found = product(paths, threads, batches, Order)
    return [Way(*path, count, batch, order, process) for path, count, batch, order in found]


def run(given: Sequence[Way], steps: int = STEPS) -> Iterator[Found]:
    """Computes in each way, those of another process last and in one.

    Raises:
        ConfigurationError: a device is not there.
    """
    own, other = ([way for way in given if way.process is process] for process in Process)
    yield from map(partial(computed, steps), own)
    if other:
        yield from in_another_process(partial(computed, steps), other)


def computed(steps: int, way: Way) -> Found:
    """Computes in one way; raises ConfigurationError."""
    return digests(way, engine_of(_keys(steps), way), _sample(steps))


def digests(way: Way, engine: Engine, sample: Sample) -> Found:
    """What an engine gives for the sample."""
    operations = OPERATIONS if engine.squashing else OPERATIONS[: OPERATIONS.index("squash")]
    parts = {operation: hashlib.sha256() for operation in operations}
    for operation, data in _results(way, engine, sample):
        parts[operation].update(len(data).to_bytes(8, "big") + data)
    return Found(way, {operation: digest.hexdigest() for operation, digest in parts.items()})


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that was found; the first one is what the others are held against."""

    found: Sequence[Found]

    @property
    def total(self) -> int:
        """Digests."""
        return sum(len(each.digests) for each in self.found)

    @property
    def equal(self) -> int:
        """Digests that are those of the first."""
        return sum(self.equal_of(each) for each in self.found)

    def equal_of(self, found: Found) -> int:
        """Of one way."""
        return sum(self.is_equal(operation, digest) for operation, digest in found.digests.items())

    def is_equal(self, operation: str, digest: str) -> bool:
        """Whether it is the first one's."""
        return self.found[0].digests.get(operation) == digest


def _results(way: Way, engine: Engine, sample: Sample) -> Iterator[tuple[str, bytes]]:
    blocks = _in_batches(engine.keys.storage.decompress, sample.packed, way)
    yield from (("decompress", rows.tobytes()) for rows in blocks)
    seeds = [bytes([index]) * 32 for index in range(len(blocks))]
    fresh = _in_batches(engine.keys.re_randomise, list(zip(blocks, seeds, strict=True)), way)
    yield from (("re-randomise", rows.tobytes()) for rows in fresh)
    yield from (("compress", words.tobytes()) for words in engine.keys.storage.compress(blocks[0]))
    yield from _outputs(way, engine.keys, sample)
    if engine.squashing is not None:
        yield from _squashed(way, engine.squashing, np.concatenate(blocks))


def _outputs(way: Way, keys: WaveKeys, sample: Sample) -> Iterator[tuple[str, bytes]]:
    device = _Batches(keys.device, way.batch)
    units = (replace(keys.units[0], device=device),)
    suite = WaveCompute(replace(keys, units=units, drivers=way.threads))
    if way.is_crowded:
        given = way.arranged((*sample.works, sample.stranger))
        with ThreadPoolExecutor(len(given)) as threads:
            found = way.arranged(list(threads.map(partial(_stored, suite), given)))[:-1]
    else:
        found = [_stored(suite, work) for work in sample.works]
    for work, outputs in zip(sample.works, found, strict=True):
        yield from ((work.item, outputs[handle]) for handle in work.outputs)


def _stored(suite: WaveCompute, work: ComputeWork) -> dict[bytes, bytes]:
    return {each.handle: each.ct64 for each in suite.outputs(work)}


def _squashed(way: Way, squashing: Squashing, blocks: Words) -> Iterator[tuple[str, bytes]]:
    rows = _in_batches(lambda some: list(squashing.squash(np.stack(some))), list(paired(blocks)), way)
    for words in (*rows, *squashing.pack(np.stack(rows))):
        yield "squash", words.tobytes()


def _in_batches(call: Callable[[Sequence[T]], Sequence[R]], given: Sequence[T], way: Way) -> list[R]:
    places = way.arranged(range(len(given)))
    found = dict[int, R]()
    for first in range(0, len(places), way.batch):
        part = places[first : first + way.batch]
        found |= zip(part, call([given[place] for place in part]), strict=True)
    return [found[place] for place in range(len(given))]


@cache
def _keys(steps: int) -> RandomKeys:
    return RandomKeys.made(SEED, steps)


@cache
def _sample(steps: int) -> Sample:
    return Sample.made(SEED, steps)


def engine_of(keys: RandomKeys, way: Way) -> Engine:
    """What computes that way; raises ConfigurationError where the device is not there."""
    if way.device == "cpu":
        return Engine(keys.on_cpu(way.threads, way.path), keys.squashing(way.threads, way.path))
    from streams.fhe.devices.cuda.cupy_gpu import fleet

    gpus = fleet()
    return Engine(keys.on_gpus(gpus), keys.squashing_on_gpus(gpus))
