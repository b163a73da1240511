"""What a transfer costs with all that follows it, and the memory of who does it.

Three of its results are squashed and compressed, for decryption by the key-management network. Squashing is
told in seconds of a core: how many numbers are in hand at a time decides nothing there.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from streams.bench import worker_memory
from streams.bench.components import OURS, Components
from streams.bench.report import Figure
from streams.bench.timing import timed
from streams.devnet import client
from streams.domain.operations import FheType
from streams.fhe import engines
from streams.fhe.keyset import EngineName
from streams.fhe.suite import Decryptor, SquashSuite
from streams.fhe.wave.measure import WrongResult

RESULTS: Final = 3  # of a transfer
PART_AIM: Final = round(1 / 7, 4)  # of what `tfhe-rs` takes

Numbers = Sequence[tuple[bytes, int]]


def figures(components: Components, costs: Mapping[EngineName, float], threads: int) -> Iterator[Figure]:
    """Squashing, the whole of a transfer and the memory, of each engine.

    Args:
        components: to compute and to squash.
        costs: core-seconds of a transfer; the first engine is the one that the others are compared with.
        threads: of each engine.

    Raises:
        WrongResult: a squashed number is another one.
    """
    numbers = list(components.numbers(RESULTS))
    decryptor = client.TfheDecryptor(components.client_key)
    wholes = dict[str, float]()
    for name, transfer_s in costs.items():
        suite = engines.open_squash(name, components.files, threads)
        squash_s = squashed_core_s(suite, numbers, decryptor)
        del suite  # the next one's keys take gigabytes too
        wholes[name] = transfer_s + RESULTS * squash_s
        yield Figure(name=f"{name}: squash and compress", value=round(squash_s, 3), unit="core-seconds")
        yield from whole_figures(name, wholes)
        yield from worker_memory.figures(name, components, threads)


def whole_figures(name: str, wholes: Mapping[str, float]) -> Iterator[Figure]:
    """Of an engine beside the first one."""
    what = f"{name}: transfer, {RESULTS} results squashed"
    yield Figure(name=what, value=round(wholes[name], 3), unit="core-seconds")
    first = next(iter(wholes))
    if name != first:
        aim = PART_AIM if name == OURS else None
        part = round(wholes[name] / wholes[first], 4)
        yield Figure(name=f"{what}, part of {first}", value=part, unit="", at_most=aim)


def squashed_core_s(suite: SquashSuite, numbers: Numbers, decryptor: Decryptor) -> float:
    """Core-seconds of one number, one after the other; raises WrongResult."""
    suite.squash(numbers[0][0], FheType.UINT64)  # a mapped key is read from its file when it is first used
    timing, found = timed(lambda given: suite.squash(given[0], FheType.UINT64), numbers, at_once=1)
    for ct128, (_, number) in zip(found, numbers, strict=True):
        opened = decryptor.decrypt(ct128, FheType.UINT64)
        if opened != number:
            raise WrongResult(f"{number} was squashed to {opened}")
    return timing.core_s
