"""Alarms that an operator knows of: kept beside the alarms, whose rows follow from facts alone."""

import structlog

from streams.domain.control import Acknowledgement
from streams.domain.rows import HALTED
from streams.ports import Store

_log = structlog.get_logger(__name__)


async def acknowledge(store: Store, shard: int, epoch: int, command: Acknowledgement) -> None:
    """Store that an operator knows of these alarms; a command that was carried out before does nothing.

    Whether the alarms stand is not checked: when the log is replayed into an empty database, the command may
    come before them.

    Raises: Fenced, StoreError.
    """
    fields = {"tenant": command.tenant, "kind": command.kind, "request": command.request}
    # The command does not let it through; others that write the topic must not hide a halt.
    if command.kind == HALTED:
        _log.error("not acknowledged", action="acknowledgement_refused", **fields)
        return
    async with store.begin(shard, epoch) as tx:
        if await tx.knows_request(command.request):
            return
        await tx.acknowledge(command)
        await tx.take_request(command.request, command.tenant)
    count = len(command.alarms)
    _log.info(
        "alarms acknowledged", action="alarms_acknowledged", reason=command.reason, count=count, **fields
    )
