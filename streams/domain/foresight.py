"""What a decision asks for in any case, as far as its fact or result says so by itself.

Loaded before the first attempt: it holds what exists already, so that the first attempt's guesses, that
everything else is new, mostly turn out right.
"""

from streams.domain.facts import Fact, HostBlock
from streams.domain.results import Computed, Proven, Result, Squashed
from streams.domain.rows import BlockRow, HandleRow, MemberRow, TenantRow, WaitRow, WorkRow
from streams.domain.state import Read


def reads_of_fact(tenant: str, fact: Fact) -> tuple[Read, ...]:
    """The tenant, and where a block belongs."""
    owner = Read(TenantRow, TenantRow.KEY, (tenant,))
    if not isinstance(fact, HostBlock):
        return (owner,)
    places = (Read(BlockRow, BlockRow.KEY, (tenant, place)) for place in (fact.hash, fact.parent_hash))
    return (owner, *places)


def reads_of_result(tenant: str, result: Result) -> tuple[Read, ...]:
    """The item with its parts, and the handles that it speaks of."""
    item = (
        Read(WorkRow, WorkRow.KEY, (tenant, result.item)),
        Read(MemberRow, ("tenant", "item"), (tenant, result.item)),
        Read(WaitRow, ("tenant", "item"), (tenant, result.item)),
    )
    return (*item, *(Read(HandleRow, HandleRow.KEY, (tenant, handle)) for handle in _handles(result)))


def _handles(result: Result) -> tuple[bytes, ...]:
    match result:
        case Computed() | Proven():
            return tuple(ciphertext.handle for ciphertext in result.ciphertexts)
        case Squashed():
            return (result.handle,)
        case _:
            return ()
