"""What a run of the demonstration does: its stages, how long it should take, and which of them stand."""

from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import DEVNET_ENGINE, EngineName


class Stage(StrEnum):
    """The stages in their order; each one checks what it did."""

    DEVNET = "devnet"
    KEYS = "keys"
    INGEST = "ingest"
    COMPUTE = "compute"
    SQUASH = "squash"
    UPLOAD = "upload"
    COMMIT = "commit"
    INPUTS = "inputs"
    KILLS = "kills"

    @property
    def place(self) -> int:
        """Position in the order."""
        return list(Stage).index(self)


LAST_STANDING: Final = Stage.KILLS
MAIN_JOB: Final = Stage.INPUTS  # with it the demonstration shows all that it is for
KILLABLE: Final = ("graph", "tfhe-worker", "sns-worker", "transaction-sender")
TRANSFERS_MAX: Final = 1_000

# Measured on two cores of 2 GHz: seconds for the start of everything with the mint, and for one transfer.
_ESTIMATE_S: Final[dict[EngineName, tuple[float, float]]] = {
    "tfhe-rs": (28.0, 22.0),
    "wave": (28.0, 14.0),
    "clear": (14.0, 1.0),
}
_KILL_S: Final = 8.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    state_dir: Path
    transfers: int = 5
    engine: EngineName = DEVNET_ENGINE
    until: Stage = MAIN_JOB
    kills: tuple[str, ...] = ()
    keep: bool = False

    def includes(self, stage: Stage) -> bool:
        """Whether this run comes to that stage."""
        return stage.place <= self.until.place

    def stages(self) -> tuple[Stage, ...]:
        """What is to be done, in order."""
        return tuple(stage for stage in Stage if self.includes(stage))


def make(
    *,
    state_dir: Path,
    transfers: int,
    engine: EngineName,
    until: Stage | None,
    kills: tuple[str, ...],
    keep: bool,
    last_standing: Stage = LAST_STANDING,
) -> Plan:
    """A run as asked for; raises ConfigurationError for one that cannot be."""
    if not 1 <= transfers <= TRANSFERS_MAX:
        raise ConfigurationError(f"--transfers takes 1 to {TRANSFERS_MAX}")
    unknown = set(kills) - set(KILLABLE)
    if unknown:
        raise ConfigurationError(f"--kill takes {', '.join(KILLABLE)}, not {', '.join(sorted(unknown))}")
    goal = until or (Stage.KILLS if kills else MAIN_JOB)
    if goal.place > last_standing.place:
        missing = list(Stage)[last_standing.place + 1]
        raise ConfigurationError(f"stage {missing} does not stand yet; the last that does is {last_standing}")
    if kills and goal is not Stage.KILLS:
        raise ConfigurationError("--kill needs the stage kills")
    chosen = kills or (KILLABLE if goal is Stage.KILLS else ())
    return Plan(state_dir=state_dir, transfers=transfers, engine=engine, until=goal, kills=chosen, keep=keep)


def estimate_s(plan: Plan) -> float:
    """About how long a run takes on two quiet cores when the keys are there."""
    start, each = _ESTIMATE_S[plan.engine]
    if not plan.includes(Stage.INGEST):
        return start / 3
    transfers = plan.transfers + 2 if plan.includes(MAIN_JOB) else 0
    return start + each * transfers + _KILL_S * len(plan.kills)
