"""Questions whose answers are known: what a device is asked, to see whether it still computes rightly.

One question for each key that a device computes with, of ciphertexts that nobody encrypted. Devices promise
equal words, so an answer is right or wrong to the bit; nobody's secret is needed to know which. A device that
has several kernels for one thing, by the size of the batch, is asked each of them that it has used: the same
question, as often as it takes for that kernel to be chosen.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.packing import Rounded
from streams.fhe.devices.port import BlockStorage, Bootstraps, Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.seeded import seeded_ciphertexts
from streams.fhe.devices.words import Words
from streams.fhe.parameters import Parameters

Answer: TypeAlias = Sequence[NDArray[Any]]

_BOXES: Final = (0, 5)  # two results of one rotation
_TURN: Final = 32  # halves of a whole turn: any entries do, as long as they differ


class Subject(StrEnum):
    """What a device does; each with keys of its own."""

    LOOK_UP = "look-up"
    RANDOM = "random number"
    UNPACK = "decompression"
    PACK = "compression"


_ROTATING: Final = (Subject.LOOK_UP, Subject.RANDOM, Subject.UNPACK)


class Duty(NamedTuple):
    """What is done by one kernel with one key."""

    subject: Subject
    kernel: int = 0  # of those for larger and larger batches

    def __str__(self) -> str:
        return f"{self.subject} in large batches ({self.kernel})" if self.kernel else str(self.subject)


@dataclass(frozen=True, slots=True)
class Unit:
    """A device with its storage, under a name for people."""

    name: str
    device: Device
    storage: BlockStorage
    spare: int = 0  # places of a batch that are kept for a question, where one more would begin another wave
    least_batches: tuple[int, ...] = (1,)  # the smallest batch of each kernel that rotates, from 1 upwards

    @property
    def duties(self) -> tuple[Duty, ...]:
        """All that it can be asked for."""
        kernels = range(len(self.least_batches))
        return (*(Duty(each, kernel) for each in _ROTATING for kernel in kernels), Duty(Subject.PACK))

    def duty(self, subject: Subject, count: int) -> Duty:
        """What takes so many ciphertexts that are rotated."""
        return Duty(subject, max(0, bisect_right(self.least_batches, count) - 1))


@dataclass(frozen=True, slots=True)
class Exam:
    """The questions of a key set, and the answers of a unit that is believed."""

    look_up: Bootstraps
    random: Bootstraps
    blocks: Words
    stored: tuple[Rounded, ...]
    _answers: Mapping[Subject, Answer] = field(default_factory=dict[Subject, Answer])

    @classmethod
    def set_by(cls, unit: Unit) -> Self:
        """The answers are this unit's."""
        parameters, seed = unit.device.parameters, b"known answer"
        blocks = any_ciphertexts(SeededSource(seed), parameters, 1)
        small = seeded_ciphertexts(parameters, seed, parameters.message_bits)
        questions = cls(
            look_up=_look_up(parameters, blocks),
            random=_look_up(parameters, small),
            blocks=blocks,
            stored=unit.storage.compress(blocks),
        )
        return replace(questions, _answers={each: questions.asked(unit, Duty(each)) for each in Subject})

    def asked(self, unit: Unit, duty: Duty) -> Answer:
        """What a unit answers; raises what it raises."""
        count = unit.least_batches[duty.kernel]
        ask: Mapping[Subject, Callable[[], Answer]] = {
            Subject.LOOK_UP: lambda: unit.device.bootstrap(repeated(self.look_up, count)),
            Subject.RANDOM: lambda: unit.device.rotate(repeated(self.random, count)),
            Subject.UNPACK: lambda: unit.storage.decompress(self.stored * count),
            Subject.PACK: lambda: unit.storage.compress(self.blocks),
        }
        return ask[duty.subject]()

    def is_right(self, subject: Subject, answer: Answer, times: int = 1) -> bool:
        """Whether these are the words that are due for the question, asked so many times."""
        due = list(self._answers[subject]) * times
        return len(answer) == len(due) and all(map(np.array_equal, answer, due))

    def riding(self, batch: Bootstraps, place: int) -> Bootstraps:
        """A batch with the question of a look-up at that place."""
        # Places move, so that each of a device's parts is asked in its turn; results do not depend on them.
        return Bootstraps(
            np.insert(batch.ciphertexts, place, self.look_up.ciphertexts[0], axis=0),
            np.concatenate([batch.polynomials, self.look_up.polynomials]),
            [*batch.tables[:place], len(batch.polynomials), *batch.tables[place:]],
            [*batch.boxes[:place], _BOXES, *batch.boxes[place:]],
        )


def repeated(batch: Bootstraps, count: int) -> Bootstraps:
    """So many ciphertexts, those of the batch over and over."""
    places = [index % len(batch.ciphertexts) for index in range(count)]
    return Bootstraps(
        batch.ciphertexts[places],
        batch.polynomials,
        [batch.tables[place] for place in places],
        [batch.boxes[place] for place in places],
    )


def any_ciphertexts(source: SeededSource, parameters: Parameters, count: int) -> Words:
    """Ciphertexts under the big key, shape (count, k N + 1), that nobody encrypted."""
    # The big key is long enough for any phase: uniform words stand for ciphertexts as well as encrypted ones.
    return source.uniform((count, parameters.big_dimension + 1))


def _look_up(parameters: Parameters, ciphertexts: Words) -> Bootstraps:
    entries = np.array([[2 * value % _TURN for value in range(parameters.space)]])
    return Bootstraps(ciphertexts, test_polynomial(parameters, entries), [0], [_BOXES])
