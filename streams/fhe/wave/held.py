"""Results that are stored and may not go out yet: the devices have not shown that they were right."""

from collections import deque
from collections.abc import Iterable

from streams.domain.errors import DeviceDistrusted
from streams.domain.results import Ciphertext
from streams.fhe.wave.watch import Mark, Watch


class Held:
    """In the order in which they came."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._waiting: deque[tuple[Mark, str, Ciphertext]] = deque()

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def add(self, results: Iterable[tuple[str, Ciphertext]], epoch: int) -> None:
        """Results of components, computed and stored by now, by devices that are in service since that epoch.

        Raises:
            DeviceDistrusted: one of them no longer is.
        """
        # Taken after they were stored: whoever had a part in them is in it.
        mark = self._watch.mark()
        if mark.epoch != epoch:
            raise DeviceDistrusted
        self._waiting += [(mark, component, ciphertext) for component, ciphertext in results]

    def released(self) -> list[tuple[str, Ciphertext]]:
        """Those that are proven by now; they are held no longer."""
        found = list[tuple[str, Ciphertext]]()
        # Marks only grow: behind one that is not proven none is.
        while self._waiting and self._watch.is_proven(self._waiting[0][0]):
            _, component, ciphertext = self._waiting.popleft()
            found.append((component, ciphertext))
        return found

    def drop(self, component: str) -> None:
        """Nobody wants this component's results any more."""
        self._waiting = deque(each for each in self._waiting if each[1] != component)

    def clear(self) -> None:
        """Nothing of this is ever proven."""
        self._waiting.clear()
