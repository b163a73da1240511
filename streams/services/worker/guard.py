"""What this deployment computes for: chains that it knows, and the engine that they may be given."""

from collections.abc import Collection

from streams.domain.errors import Recoverable
from streams.domain.handle import parse_handle
from streams.settings import Settings


class Guard:
    """Refuses work for chains that are not configured, and clear numbers outside of a devnet.

    A refusal is never a verdict: the settings may be corrected.
    """

    def __init__(self, engine: str, chains: Collection[int], devnet_chains: Collection[int]) -> None:
        self._is_clear = engine == "clear"
        self._chains = frozenset(chains)
        self._devnet_chains = frozenset(devnet_chains)

    def check_handle(self, handle: bytes) -> None:
        """Raises Recoverable when nothing may be computed for the chain of this handle."""
        self.check_chain(parse_handle(handle).chain_id)

    def check_chain(self, chain_id: int) -> None:
        """Raises Recoverable when nothing may be computed for this chain."""
        # no chains configured: a worker that computes for whatever its topic brings
        if self._chains and chain_id not in self._chains:
            raise Recoverable(f"chain {chain_id} is not configured: add its [[host_chain]] to this worker")
        if self._is_clear and chain_id not in self._devnet_chains:
            raise Recoverable(f"the engine is clear, and chain {chain_id} is not listed under [devnet]")


def guard_of(settings: Settings) -> Guard:
    """The guard that the settings ask for."""
    chains = [chain.id for chain in settings.host_chain]
    return Guard(settings.engine.name, chains, settings.devnet.chains)
