"""What several coprocessors show: agreement on every digest, and one of them that lies, is slow, is down.

The last one has the fault. The others reach consensus without it, and each detector says so.
"""

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Final

from streams.adapters.postgres.progress import Standing
from streams.devnet.demo.disputes import misjudge
from streams.devnet.demo.ledger import Mint, Transfer
from streams.devnet.demo.network import ALL, Member, Network
from streams.domain.attestation import Format
from streams.domain.digest import keccak256
from streams.domain.errors import Fatal
from streams.domain.results import Squashed
from streams.domain.rows import DriftState
from streams.domain.work import WorkClass, item_id

_LIE: Final = keccak256(b"no such ct128")
_WORKER: Final = "tfhe-worker"
_SQUASHER: Final = "sns-worker"


class Fault(StrEnum):
    """What is wrong with the last coprocessor."""

    LYING = "lying"
    MISJUDGING = "misjudging"
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
    """The last one squashes to other bytes and commits them: the others agree, and all detectors name it.

    Its own says that it is the one who drifted.
    """
    *honest, liar = network.members
    await liar.fleet.end(_SQUASHER)  # or it would be faster with the truth
    handles = await _mint(network)

    async def is_computed(member: Member) -> bool:
        return (await member.progress.steps(handles)).computed == len(handles)

    await network.until(is_computed, (liar,))
    await _squash_falsely(network, liar, handles)
    await network.until_standing(handles, _is_named(liar, DriftState.DISPUTED), honest)
    await network.until_standing(handles, _is_named(liar, DriftState.DRIFTED), (liar,))
    await liar.start((_SQUASHER,))
    said = f"all detectors name {liar.name}, its own says that it drifted"
    return f"{len(handles)} handles, agreed on by {_names(honest)}; {said}"


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
    Fault.MISJUDGING: misjudge,
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


async def _squash_falsely(network: Network, liar: Member, handles: Iterable[bytes]) -> None:
    """What a worker of its own would say that squashed to other bytes."""
    told = [
        Squashed(
            item=item_id(WorkClass.SNS, network.tenant, handle),
            attempt=0,
            worker=_SQUASHER,
            handle=handle,
            key_id=network.keys.key_id,
            ct64_digest=keccak256(await liar.progress.ciphertext(handle)),
            ct128_digest=_LIE,
            format=Format.COMPRESSED_ON_CPU,
            signer=b"",
            attestation=b"",
        )
        for handle in handles
    ]
    await liar.hear(network.tenant, told)


def _is_complete(found: Standing) -> bool:
    return found.state is DriftState.COMPLETE


def _is_named(liar: Member, state: DriftState) -> Callable[[Standing], bool]:
    def is_named(found: Standing) -> bool:
        return found.is_agreed and found.state is state and found.differing == (liar.sender,)

    return is_named


def _is_missing(member: Member) -> Callable[[Standing], bool]:
    def is_missing(found: Standing) -> bool:
        return found.state is DriftState.INCOMPLETE and found.missing == (member.sender,)

    return is_missing


def _names(members: "list[Member] | tuple[Member, ...]") -> str:
    return ", ".join(member.name for member in members)
