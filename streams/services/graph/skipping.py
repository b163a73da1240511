"""A kept record that fails at every attempt, given up by an operator: its tenant goes on without it.

It is parked like bytes that do not decode, with the operator's reason. What is computed must not differ from
what others compute: of a result nothing is left, because its item is open and asked for again; of a range of
the gateway its end is; blocks and keys are never left out.
"""

from collections.abc import Sequence
from typing import Final

from streams.domain.control import TenantControl
from streams.domain.decide import Rules, leave_out
from streams.domain.facts import decode_fact
from streams.domain.rows import HALTED, AlarmRow
from streams.domain.state import Read, State
from streams.messages.topics import EVENTS
from streams.ports import DeadLetter, Record, Transaction
from streams.services.graph import parking
from streams.services.graph.plans import Finish, Plan
from streams.services.graph.session import Decision

SKIPPED: Final = "Skipped"  # class of the error in a letter
_NOT_SKIPPED: Final = "; not skipped: "


def is_meant(command: TenantControl, record: Record) -> bool:
    """Whether the command gives this record up, and not one that was in its place before."""
    place = command.topic, command.partition, command.offset
    # Of a release before, a command has the place alone.
    is_named = command.record in (b"", record.identity)
    return is_named and place == (record.topic, record.partition, record.offset)


async def cause_of(tx: Transaction, tenant: str, record: Record) -> str:
    """What a halted tenant's record failed with, as its alarm says, without the attempts to skip it."""
    place = tenant, HALTED, record.identity
    (found,) = await tx.load([Read(AlarmRow, AlarmRow.KEY, place)])
    detail = next((row.detail for row in found if isinstance(row, AlarmRow)), "")
    return detail.partition(_NOT_SKIPPED)[0]


def refused(cause: str, refusal: str) -> str:
    """What is told of a record that was to be given up and is not."""
    return f"{cause}{_NOT_SKIPPED}{refusal}"


def letter_of(command: TenantControl, record: Record, cause: str) -> DeadLetter:
    """What is kept of a record that is given up, and why."""
    told = f"{command.reason} (request {command.request}); it failed with {cause}"
    return parking.letter(record, command.tenant, SKIPPED, told)


def plan_without(record: Record, letter: DeadLetter, rules: Rules) -> Plan:
    """Apply what must not be left out of a record, and have the letter published."""
    leave = _leaving_out(record, letter.tenant, rules)

    def decide(state: State) -> None:
        leave(state)
        state.put(parking.publication(letter))

    return Plan(record=record, tenant=letter.tenant, decision=decide)


def _leaving_out(record: Record, tenant: str, rules: Rules) -> Decision:
    if record.topic != EVENTS:
        return lambda _: None
    fact = decode_fact(record.value or b"")
    return lambda state: leave_out(state, tenant, fact, rules)


def parking_it(letter: DeadLetter) -> Finish:
    """What ends the transaction that leaves a record out: the letter has it, the kept records do not."""

    async def finish(tx: Transaction, records: Sequence[Record]) -> None:
        await tx.park(letter)
        await tx.drop_held(records)

    return finish
