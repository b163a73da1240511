"""The loop of a source: patient with what passes, out at once with what does not."""

from collections.abc import Callable

import pytest

from streams.adapters.memory.clock import FakeClock
from streams.domain.errors import BrokerError, ConfigurationError, ForeignRelease, KeyMissing, RpcError
from streams.services.listener import repeat as loop
from streams.services.listener.repeat import Troubles, once_checked, repeat, watched
from streams.services.runtime import Runtime
from streams.settings import Settings


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    monkeypatch.setattr(loop, "_WAIT_FIRST_S", 0.0)
    return Runtime(name="test", settings=Settings())


class Script:
    """A step with a list of outcomes; the process is told to stop at the end."""

    def __init__(self, runtime: Runtime, *outcomes: int | Exception) -> None:
        self._runtime = runtime
        self._outcomes = list(outcomes)
        self.healthy: list[int] = []
        self.waits = 0

    async def step(self) -> int:
        self.healthy.append(self._runtime.health.snapshot().status_code)
        outcome = self._outcomes.pop(0)
        if not self._outcomes:
            self._runtime.stopping.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def wait(self) -> None:
        self.waits += 1


async def test_it_waits_only_when_there_was_nothing_to_do(runtime: Runtime) -> None:
    script = Script(runtime, 3, 0, 2, 0)
    await repeat(runtime, "source", script.step, script.wait)
    assert script.waits == 2


@pytest.mark.parametrize(
    ("error", "dependency"), [(BrokerError(), "kafka"), (RpcError(), "blockchain"), (KeyMissing(), "keys")]
)
async def test_what_passes_is_repeated_and_shows_in_health(
    runtime: Runtime, error: Exception, dependency: str
) -> None:
    script = Script(runtime, error, 1, error)
    await repeat(runtime, "source", script.step, script.wait)
    assert script.healthy == [200, 503, 200]
    assert runtime.health.snapshot().dependencies[dependency] == "fail"
    labels = {"source": "source", "error": type(error).__name__}
    assert runtime.metrics.value("cipherstream_source_errors", labels) == 2


async def test_a_source_that_works_does_not_hide_what_another_one_misses(runtime: Runtime) -> None:
    troubles = Troubles(runtime.health)
    broken = Script(runtime, RpcError("the node is away"))
    await repeat(runtime, "broken", broken.step, broken.wait, troubles)
    runtime.stopping.clear()
    sound = Script(runtime, 1)
    await repeat(runtime, "sound", sound.step, sound.wait, troubles)
    report = runtime.health.snapshot()
    assert (report.status_code, report.details) == (503, {"blockchain": "the node is away"})


async def test_a_source_misses_one_thing_at_a_time(runtime: Runtime) -> None:
    script = Script(runtime, RpcError(), BrokerError())
    await repeat(runtime, "source", script.step, script.wait)
    assert runtime.health.snapshot().dependencies == {"kafka": "fail", "blockchain": "ok"}


async def test_what_is_fatal_is_raised(runtime: Runtime) -> None:
    script = Script(runtime, ConfigurationError("wrong"), 1)
    with pytest.raises(ConfigurationError):
        await repeat(runtime, "source", script.step, script.wait)


class Node:
    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        self.asked = 0

    async def chain_id(self) -> int:
        self.asked += 1
        return self._chain_id


@pytest.fixture
def steps() -> Callable[[Node], loop.Step]:
    async def one() -> int:
        return 1

    return lambda node: once_checked(node, 12345, one)


async def test_a_node_is_asked_once_for_its_chain(steps: Callable[[Node], loop.Step]) -> None:
    node = Node(12345)
    step = steps(node)
    assert [await step(), await step()] == [1, 1]
    assert node.asked == 1


async def test_a_node_of_another_chain_is_refused(steps: Callable[[Node], loop.Step]) -> None:
    with pytest.raises(ConfigurationError, match="chain 7"):
        await steps(Node(7))()


async def test_what_is_watched_is_looked_at_first_and_then_every_so_often() -> None:
    clock, looks, outcomes = FakeClock(), list[float](), list[Exception]()

    async def look() -> None:
        looks.append(clock.monotonic_s())
        if outcomes:
            raise outcomes.pop()

    async def one() -> int:
        return 1

    step, start_s = watched(one, look, clock, 30.0), clock.monotonic_s()
    assert [await step(), await step()] == [1, 1]
    await clock.advance(30.0)
    outcomes.append(RpcError())
    with pytest.raises(RpcError):
        await step()
    assert await step() == 1  # a look that failed is repeated with the step
    await clock.advance(31.0)
    outcomes.append(ForeignRelease())
    with pytest.raises(ForeignRelease):
        await step()
    assert looks == [start_s, start_s + 30.0, start_s + 30.0, start_s + 61.0]
