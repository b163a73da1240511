"""What the broker and the database must say before a stopped service counts as busy."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from streams.adapters.kafka.positions import LogState
from streams.adapters.postgres.progress import Queue
from streams.devnet.demo import evidence
from streams.devnet.demo.evidence import CLASSES, prover
from streams.devnet.demo.plan import KILLABLE
from streams.messages.topics import EVENTS, RESULTS
from streams.ports import Offset

PID = 4711


class Deployment:
    """A log of two partitions per topic, what of it is applied, and what each process has in hand."""

    def __init__(self) -> None:
        self.ends = {(topic, partition): 5 for topic in (EVENTS, RESULTS) for partition in (0, 1)}
        self.applied = dict(self.ends)
        self.hands: dict[tuple[str, int], int] = {}
        self.under_way = 0
        self.when_asked: Callable[[], None] = lambda: None

    async def logs(self, topics: Sequence[str]) -> Mapping[str, LogState]:
        return {
            topic: LogState("", tuple((0, self.ends[topic, part]) for part in (0, 1))) for topic in topics
        }

    async def offsets(self) -> Mapping[tuple[str, int], Offset]:
        self.when_asked()
        return {place: Offset(place[0], "", next_off) for place, next_off in self.applied.items()}

    async def queues(self) -> Sequence[Queue]:
        return [
            Queue(work_class=work_class, waiting=1, in_flight=self.under_way, done=1, failed=0)
            for work_class in CLASSES.values()
        ]

    async def in_hand(self, work_class: str, pid: int) -> int:
        return self.hands.get((work_class, pid), 0)


@pytest.fixture
def made() -> Deployment:
    return Deployment()


def test_every_service_that_is_killed_has_its_proof() -> None:
    assert set(KILLABLE) == {"graph", *CLASSES}


@pytest.mark.parametrize("topic", [EVENTS, RESULTS])
async def test_a_graph_with_a_record_that_is_not_applied_is_busy(made: Deployment, topic: str) -> None:
    proof = prover("graph", made, made)(PID)
    made.ends[topic, 1] += 1
    assert await proof.is_likely()
    assert await proof.holds()


async def test_a_graph_that_nobody_gave_a_shard_has_everything_to_do(made: Deployment) -> None:
    made.applied.clear()
    assert await prover("graph", made, made)(PID).is_likely()


async def test_a_graph_that_has_applied_everything_is_idle(made: Deployment) -> None:
    assert not await prover("graph", made, made)(PID).is_likely()


async def test_what_came_after_the_stop_makes_no_graph_busy(made: Deployment) -> None:
    proof = prover("graph", made, made)(PID)
    made.ends[EVENTS, 0] = 6
    assert await proof.is_likely()
    made.applied[EVENTS, 0] = 6
    made.ends[EVENTS, 0] = 7
    assert not await proof.holds()


@pytest.mark.parametrize(("service", "work_class"), CLASSES.items())
async def test_a_worker_with_an_item_that_it_started_is_busy(
    made: Deployment, service: str, work_class: str
) -> None:
    made.hands[work_class, PID] = 1
    assert await prover(service, made, made)(PID).holds()


@pytest.mark.parametrize("service", CLASSES)
async def test_a_worker_is_looked_at_while_an_item_is_under_way(made: Deployment, service: str) -> None:
    proof = prover(service, made, made)(PID)
    assert not await proof.is_likely()
    made.under_way = 1
    assert await proof.is_likely()
    assert not await proof.holds()  # it lies in the topic


async def test_another_process_s_item_makes_no_worker_busy(made: Deployment) -> None:
    made.hands["tfhe", PID + 1] = 1  # of the one before, killed with it in its hands
    assert not await prover("tfhe-worker", made, made)(PID).holds()


async def test_an_answer_that_is_not_applied_yet_counts(made: Deployment) -> None:
    made.hands["tfhe", PID] = 1
    made.ends[RESULTS, 1] += 1  # the item's last result
    looks: list[None] = []

    def apply() -> None:
        looks.append(None)
        if len(looks) == 3:
            made.applied[RESULTS, 1] += 1
            made.hands.clear()

    made.when_asked = apply
    assert not await prover("tfhe-worker", made, made)(PID).holds()
    assert len(looks) == 3


async def test_results_that_nobody_applies_prove_nothing(
    made: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "APPLY_S", 0.05)
    made.hands["sns", PID] = 1
    made.ends[RESULTS, 0] += 1
    assert not await prover("sns-worker", made, made)(PID).holds()


async def test_events_that_are_not_applied_say_nothing_of_a_worker(made: Deployment) -> None:
    made.hands["sender", PID] = 1
    made.ends[EVENTS, 0] += 1
    assert await prover("transaction-sender", made, made)(PID).holds()
