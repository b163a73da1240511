"""A component in the window: which of its values exist, which steps wait for which, what failed."""

from collections import Counter, defaultdict

from streams.domain.errors import OperationError
from streams.domain.operations import BY_CODE, Kind, Result
from streams.domain.schedule import Lane
from streams.domain.work import Step
from streams.fhe.radix.selection import SELECT_WEIGHT
from streams.fhe.wave.admission import handles, needed
from streams.fhe.wave.asked import Asked
from streams.fhe.wave.component import Component, Computed, DependencyFailed, Failed, Value
from streams.fhe.wave.rewriting import known_results, rewritten
from streams.fhe.wave.turns import Flow


class Progress:
    """Readiness by a set of missing operands per step; a value is dropped with its last use."""

    def __init__(self, component: Component, order: int) -> None:
        """`order` is the component's number in the window: within a lane, the older one goes first."""
        self.name, self.tenant, self.order = component.name, component.tenant, order
        self.lane: Lane = (component.contract, component.priority)
        self.asked = Asked()
        steps = rewritten(needed(component), component.outputs)
        self._places = {step.result: place for place, step in enumerate(steps)}
        self._wanted = set(component.outputs)
        # a copy: values are deleted from it
        self._values = dict(component.inputs)
        self._missing = {step.result: {h for h in handles(step) if h not in self._values} for step in steps}
        # by step and not by operand: x + x is one use of x
        self._uses = Counter(handle for step in steps for handle in set(handles(step)))
        self._users: defaultdict[bytes, list[Step]] = defaultdict(list)
        for step in steps:
            for handle in set(handles(step)):
                self._users[handle].append(step)
        self._conditions = _conditions(steps, self._wanted)
        self.ready = [step for step in steps if not self._missing[step.result]]

    @property
    def flow(self) -> Flow:
        """In which its operations take their turns."""
        return self.tenant, self.lane

    @property
    def held(self) -> int:
        """Values that are kept for steps to come."""
        return len(self._values)

    def place(self, step: Step) -> int:
        """The step's number among those that are needed."""
        return self._places[step.result]

    def value(self, handle: bytes) -> Value:
        """An operand of a ready step."""
        # Not taken out here: a step may have the same operand twice. `computed` does it.
        return self._values[handle]

    def weight(self, step: Step) -> int:
        """At which weight a comparison makes its Bool: that of selections if nothing else uses it."""
        return SELECT_WEIGHT if step.result in self._conditions else 1

    def computed(self, step: Step, value: Value) -> tuple[list[Step], list[Computed]]:
        """Takes a step's value; gives the steps that are ready now, and the value if it is wanted."""
        # Freed with the last use: a block is 16 KB on the host, and memory bounds how many components fit.
        for handle in set(handles(step)):
            self._uses[handle] -= 1
            if not self._uses[handle]:
                del self._values[handle]
        # An output that nothing else needs is handed out and not kept.
        if self._uses[step.result]:
            self._values[step.result] = value
        ready = [user for user in self._users[step.result] if self._is_ready(user, step.result)]
        is_wanted = step.result in self._wanted
        return ready, [Computed(self.name, step.result, value)] if is_wanted else []

    def _is_ready(self, step: Step, came: bytes) -> bool:
        self._missing[step.result].discard(came)
        return not self._missing[step.result]

    def failed(self, step: Step, error: OperationError) -> list[Failed]:
        """Takes a step's failure; gives the wanted handles that fail with it, its own first."""
        # Operands of failed steps are not let go one by one: they go with the component.
        errors: dict[bytes, OperationError] = {step.result: error}
        reached = [step]
        # The list grows while it is walked: breadth first through everything that depends on the failure.
        for cause in reached:
            # popped: a failure is passed on once, however many ways lead to a step
            for user in self._users.pop(cause.result, []):
                if user.result not in errors:
                    errors[user.result] = _dependent(user, step, error)
                    reached.append(user)
        lost = {handle: each for handle, each in errors.items() if handle in self._wanted}
        # Whatever fails is told once, even if another of its operands fails later.
        self._wanted -= set(lost)
        return [Failed(self.name, handle, each) for handle, each in lost.items()]


def _dependent(step: Step, cause: Step, error: OperationError) -> DependencyFailed:
    dependent = DependencyFailed(
        f"{BY_CODE[step.operation].name} needs {cause.result.hex()}, which failed: {error}"
    )
    dependent.__cause__ = error
    return dependent


def _conditions(steps: list[Step], wanted: set[bytes]) -> set[bytes]:
    """Comparisons whose results do nothing but select, and not only between known numbers."""
    conditions = {step.result for step in steps if BY_CODE[step.operation].result is Result.BOOL} - wanted
    for step in steps:
        is_selection = BY_CODE[step.operation].kind is Kind.SELECT
        # In a selection the first operand is the condition; a Bool that is chosen (a later operand) is a
        # value.
        conditions -= set(handles(step)[1:] if is_selection else handles(step))
    # A known difference is multiplied by the condition, at weight 1.
    known = known_results(steps)
    selections = (step for step in steps if BY_CODE[step.operation].kind is Kind.SELECT)
    return conditions & {step.operands[0] for step in selections if not known.issuperset(step.operands[1:])}
