"""What operators said on `control.v1` that holds until they say otherwise: pauses, features, priorities."""

from streams.domain.control import FeatureSwitch, Pause, Priority
from streams.domain.features import Feature
from streams.domain.schedule import weight
from streams.domain.work import WorkClass
from streams.ports import Weight

Word = Pause | FeatureSwitch | Priority


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

    def priority(self, work_class: str, tenant: str) -> int:
        """What was said of the tenant in that class, else of the tenant, else nothing: 0."""
        word = self._words.get(f"priority/{tenant}/{work_class}") or self._words.get(f"priority/{tenant}")
        return word.value if isinstance(word, Priority) else 0

    def weights(self) -> list[Weight]:
        """Every tenant of which something was said, in every class."""
        tenants = sorted({word.tenant for word in self._words.values() if isinstance(word, Priority)})
        return [
            Weight(tenant, work_class, weight(self.priority(work_class, tenant)))
            for tenant in tenants
            for work_class in WorkClass
        ]

    def _paused(self, scope: str) -> frozenset[str]:
        words = (word for word in self._words.values() if isinstance(word, Pause))
        return frozenset(word.name for word in words if word.scope == scope)
