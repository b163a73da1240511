"""What several coprocessors show: agreement on every digest, and one of them that lies, is slow, is down.

The last one has the fault. The others reach consensus without it, and each detector says so.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final

from streams.adapters.ethereum import calls
from streams.adapters.postgres.progress import Standing
from streams.devnet.chain_client import Wallet
from streams.devnet.demo.ledger import Mint, Transfer
from streams.devnet.demo.network import ALL, Member, Network
from streams.domain.digest import keccak256
from streams.domain.errors import Fatal
from streams.domain.rows import DriftState

_LIES: Final = (keccak256(b"no such ct64"), keccak256(b"no such ct128"))
_SENDER: Final = "transaction-sender"
_WORKER: Final = "tfhe-worker"


class Fault(StrEnum):
    """What is wrong with the last coprocessor."""

    LYING = "lying"
    SLOW = "slow"
    DOWN = "down"


async def agree(network: Network) -> str:
    """A mint and a transfer with its proof: every digest of every handle is the same everywhere."""
    await network.traffic.mint(Mint(0, 1_000))
    transfer = Transfer(number=0, sender=0, receiver=1, amount=11)
    await network.traffic.transfer(transfer, network.encryptor)
    handles = await network.traffic.allowed_handles()
    await network.until_standing(handles, _is_complete, network.members)
    first, *others = [await member.progress.digests(handles) for member in network.members]
    if len(first) < len(handles) or any(other != first for other in others):
        raise Fatal("the gateway says that all agree, and their digests differ")
    count = len(network.members)
    return f"{len(handles)} handles, each committed by all {count} with the same digests"


async def lie(network: Network) -> str:
    """The last one commits digests of nothing: the others agree, and everybody's detector names it."""
    *honest, liar = network.members
    await liar.fleet.end(_SENDER)  # or it would be faster with the truth
    handles = await _mint(network)
    wallet = Wallet(network.chains.gateway, network.accounts.coprocessor_senders[liar.operator.number])
    for handle in handles:
        data = calls.add_ciphertext_material(handle, network.keys.key_id, *_LIES)
        await wallet.transact(network.chains.deployment.ciphertext_commits, data)

    def is_named(found: Standing) -> bool:
        is_right = found.is_agreed and found.state is DriftState.DISPUTED
        return is_right and found.differing == (liar.sender,)

    await network.until_standing(handles, is_named, network.members)
    await liar.start((_SENDER,))
    return f"{len(handles)} handles, agreed on by {_names(honest)}; all detectors name {liar.name}"


async def be_slow(network: Network) -> str:
    """The last one computes after the grace period: first it is missed, then all have committed."""
    *quick, slow = network.members
    await slow.fleet.end(_WORKER)
    handles = await _mint(network)
    await network.until_standing(handles, _is_missing(slow), quick)
    await slow.start((_WORKER,))
    await network.until_standing(handles, _is_complete, network.members)
    return f"{len(handles)} handles, agreed on by {_names(quick)}; {slow.name} was missed until it came"


async def be_down(network: Network) -> str:
    """The last one is killed with all its services: the others agree and miss it."""
    *left, dead = network.members
    await dead.fleet.kill()
    handles = await _mint(network)
    await network.until_standing(handles, _is_missing(dead), left)
    return f"{len(handles)} handles, agreed on by {_names(left)}; their detectors miss {dead.name}"


ACTIONS: Final[dict[Fault, Callable[[Network], Awaitable[str]]]] = {
    Fault.LYING: lie,
    Fault.SLOW: be_slow,
    Fault.DOWN: be_down,  # the last of a run: nobody starts it again
}


async def start(network: Network) -> str:
    """All services of all coprocessors, side by side."""
    for member in network.members:
        member.fleet.launch(ALL)
    for member in network.members:
        await member.fleet.until_all_healthy(member.fleet.names)
    return f"{len(ALL)} services each for {_names(network.members)}"


async def _mint(network: Network) -> tuple[bytes, ...]:
    """New tokens; the handles that are new with them."""
    known = set(await network.traffic.allowed_handles())
    await network.traffic.mint(Mint(0, 1))
    return tuple(handle for handle in await network.traffic.allowed_handles() if handle not in known)


def _is_complete(found: Standing) -> bool:
    return found.state is DriftState.COMPLETE


def _is_missing(member: Member) -> Callable[[Standing], bool]:
    def is_missing(found: Standing) -> bool:
        return found.state is DriftState.INCOMPLETE and found.missing == (member.sender,)

    return is_missing


def _names(members: "list[Member] | tuple[Member, ...]") -> str:
    return ", ".join(member.name for member in members)
