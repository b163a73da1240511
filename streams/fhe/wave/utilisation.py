"""How well batches are filled: numbers since the start, and of now, that a metric can show."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Utilisation:
    """One reading. The first block only grows; the second is of this moment."""

    batches: int  # that ran
    look_ups: int  # in them
    places: int  # that they had: batches times their size
    computed: int  # operations
    failed: int  # operations, without those that depend on them

    running: int  # operations
    waiting: int  # look-ups that the next batches take
    last_batch: int  # look-ups of the latest batch

    @property
    def fill(self) -> float:
        """The part of all places that was used; 0 before the first batch."""
        # below 1 where the last components of a window cannot fill a batch
        return self.look_ups / self.places if self.places else 0.0


class Tally:
    """What an executor counts."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._batches = self._look_ups = self._last = 0
        # counted by the executor itself, which alone knows how an operation ended
        self.computed = self.failed = 0

    def batch(self, look_ups: int) -> None:
        """A batch ran."""
        # Called when a batch has run and not before: a refused one was not computed and must not count as
        # filled.
        self._batches += 1
        self._look_ups += look_ups
        self._last = look_ups

    def reading(self, running: int, waiting: int) -> Utilisation:
        """All numbers."""
        return Utilisation(
            batches=self._batches,
            look_ups=self._look_ups,
            # A batch never has more than the preferred size (`fairness`): the fill is at most 1.
            places=self._batches * self._batch_size,
            computed=self.computed,
            failed=self.failed,
            running=running,
            waiting=waiting,
            last_batch=self._last,
        )
