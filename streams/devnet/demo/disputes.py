"""A coprocessor that finds other values in inputs than all the others, on the real gateway's votes.

Its own workers are stopped and spoken for: whatever they found, its graph believes them. The gateway goes
with the others, and that answer comes back to it like to everybody.
"""

from collections.abc import Callable, Sequence
from typing import Final

from streams.adapters.postgres.progress import Answer
from streams.devnet.chain_client import ProofOutcome
from streams.devnet.demo.ledger import Transfer
from streams.devnet.demo.network import Member, Network
from streams.devnet.demo.traffic import Request
from streams.domain import items
from streams.domain.digest import keccak256
from streams.domain.errors import Fatal
from streams.domain.handle import stamp
from streams.domain.operations import FheType
from streams.domain.results import Ciphertext, Proven
from streams.domain.rows import DriftState, Standing

_VERIFIER: Final = "zkproof-worker"
_REPLAYS: Final = "coprocessor_gw_listener_verify_proof_replay_counter"
_OTHER: Final = keccak256(b"a value that nobody encrypted")
_AGAIN: Final = (
    "its handles are not those that the gateway accepted"  # what an operator reads of the second time
)


async def misjudge(network: Network) -> str:
    """The last one votes for other handles of two inputs; the others agree, and its alarms say so.

    Asked again it finds the agreed handles of the first: its values are stored then, not before, and feed a
    transfer like everybody's. Of the second it finds other ones again: the alarm stays, nothing is stored.
    """
    *_, misled = network.members
    await misled.fleet.end(_VERIFIER)  # or it would be faster with the truth
    transfers = [Transfer(number=amount, sender=0, receiver=1, amount=amount) for amount in (1, 2)]
    requests = [await network.traffic.ask(transfer, network.encryptor) for transfer in transfers]
    for request in requests:
        await _say(network, misled, request, items.PROOF)
    outcomes = [await network.traffic.answered(request) for request in requests]
    for request in requests:
        await _until(network, misled, request, _is_disputed)
    await _say(network, misled, requests[1], items.PROOF_REPLAY, outcomes[1].handles)
    await _until(network, misled, requests[1], _is_disputed_for_good)
    await _require_nothing_stored(misled, outcomes)

    await misled.start((_VERIFIER,))
    await _until(network, misled, requests[0], _is_over)
    await _use(network, transfers[0], outcomes[0])
    await _until(network, misled, requests[1], _is_disputed_for_good)
    if await misled.metric(_REPLAYS) < len(requests):
        raise Fatal(f"{misled.name} does not count its disputes")
    return (
        f"2 inputs judged otherwise by {misled.name}: one found good and used after all, one stays disputed"
    )


async def _say(
    network: Network, misled: Member, request: Request, kind: str, agreed: tuple[bytes, ...] | None = None
) -> None:
    """What a worker of its own would say that found another value."""
    item = ""

    async def is_asked(member: Member) -> bool:
        nonlocal item
        item = await member.progress.verification(network.tenant, request.number, kind) or ""
        return bool(item)

    await network.until(is_asked, (misled,))
    chain_id = network.chains.deployment.host_chain_id
    handle = stamp(keccak256(_OTHER + bytes((request.number,))), 0, chain_id, FheType.UINT64)
    told = Proven(
        item=item,
        attempt=0,
        worker=_VERIFIER,
        verified=True,
        key_id=network.keys.key_id,
        handles=(handle,),
        ciphertexts=(Ciphertext(handle=handle, fhe_type=FheType.UINT64, ct64=_OTHER),),
        agreed=agreed,
    )
    await misled.hear(network.tenant, (told,))


async def _until(
    network: Network, misled: Member, request: Request, is_right: Callable[[Answer], bool]
) -> None:
    async def says(member: Member) -> bool:
        found = await member.progress.answer(network.tenant, request.number)
        return found is not None and is_right(found)

    await network.until(says, (misled,))


def _is_disputed(found: Answer) -> bool:
    is_told = "we found other handles" in found.alarm
    return found.standing is Standing.DISPUTED and found.accepted is True and is_told


def _is_disputed_for_good(found: Answer) -> bool:
    return found.standing is Standing.DISPUTED and found.alarm.endswith(_AGAIN)


def _is_over(found: Answer) -> bool:
    return found.standing is Standing.REPLAYED and not found.alarm


async def _require_nothing_stored(misled: Member, outcomes: Sequence[ProofOutcome]) -> None:
    handles = [handle for outcome in outcomes for handle in outcome.handles]
    if (await misled.progress.steps(handles)).computed:
        raise Fatal(f"{misled.name} has values of handles that it never found")


async def _use(network: Network, transfer: Transfer, outcome: ProofOutcome) -> None:
    """The input feeds a transfer, whose results all commit alike."""
    known = set(await network.traffic.allowed_handles())
    await network.traffic.use(transfer, outcome)
    handles = [handle for handle in await network.traffic.allowed_handles() if handle not in known]
    await network.until_standing(handles, lambda found: found.state is DriftState.COMPLETE, network.members)
