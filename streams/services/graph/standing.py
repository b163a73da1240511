"""What operators said on `control.v1` that holds until they say otherwise: pauses, switched features."""

from streams.domain.control import FeatureSwitch, Pause
from streams.domain.features import Feature

Word = Pause | FeatureSwitch


class Standing:
    """The last word under each key; a tombstone takes it back."""

    def __init__(self) -> None:
        self._words: dict[str, Word] = {}

    def take(self, key: str, word: Word | None) -> bool:
        """Whether that was news."""
        known = self._words.pop(key, None)
        if word is not None:
            self._words[key] = word
        return known != word

    def words(self) -> list[Word]:
        """Everything that holds, by key."""
        return [word for _, word in sorted(self._words.items())]

    @property
    def tenants(self) -> frozenset[str]:
        """Paused tenants."""
        return self._paused("tenant")

    @property
    def classes(self) -> frozenset[str]:
        """Paused work classes."""
        return self._paused("class")

    def is_on(self, feature: Feature, default: bool) -> bool:
        """What was said of a feature, else its default."""
        word = self._words.get(f"feature/{feature}")
        return word.enabled if isinstance(word, FeatureSwitch) else default

    def _paused(self, scope: str) -> frozenset[str]:
        words = (word for word in self._words.values() if isinstance(word, Pause))
        return frozenset(word.name for word in words if word.scope == scope)
