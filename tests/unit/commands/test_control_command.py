"""`control` as an operator runs it, on a log in memory."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from streams.adapters.kafka import log as kafka_log
from streams.adapters.memory.log import MemoryLog
from streams.adapters.postgres.store import HaltedTenant, PostgresStore
from streams.cli import app
from streams.domain.control import Acknowledgement, TenantControl, detail_digest
from streams.domain.errors import StoreError
from streams.messages.topics import CONTROL
from streams.ports import RaisedAlarm, Record

WARNING = "no tenant 12345.bb is halted"


class Halted:
    """The database, for who asks which tenants are halted, or what an operator must see."""

    async def halted(self) -> list[HaltedTenant]:
        row = HaltedTenant(
            tenant="12345.aa", topic="events.v1", part=3, off=7, record="00aa", error="too high"
        )
        return [row]

    async def alarms(self, tenant: str, kind: str) -> list[RaisedAlarm]:
        of = {("12345.aa", "undecodable"): 2, ("12345.aa", "drift"): 501}
        return [RaisedAlarm(bytes([n >> 8, n & 255]), f"no {n}") for n in range(of.get((tenant, kind), 0))]

    async def close(self) -> None:
        return


class Away(Halted):
    async def halted(self) -> list[HaltedTenant]:
        raise StoreError("database: refused")


@pytest.fixture
def resume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, Halted], tuple[str, str]]:
    """Runs the command; gives what it said and the tenant that its message names."""
    log = MemoryLog({CONTROL: 1})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kafka_log, "KafkaLog", lambda _: log)

    def run(tenant: str, database: Halted) -> tuple[str, str]:
        async def opened(*_: Any) -> Halted:
            return database

        monkeypatch.setattr(PostgresStore, "open", opened)
        result = CliRunner().invoke(app, ["control", "resume", tenant], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stderr, asyncio.run(sent(log))

    return run


async def sent(log: MemoryLog) -> str:
    (record,) = [record async for record in log.read(CONTROL, 0, 0, 1)]
    return msgspec.json.decode(record.value or b"", type=TenantControl).tenant


def test_a_halted_tenant_is_resumed_without_more_words(resume: Any) -> None:
    said, tenant = resume("12345.aa", Halted())
    assert tenant == "12345.aa"
    assert said.startswith("asked to resume 12345.aa (request ")


def test_resuming_a_tenant_that_is_not_halted_warns(resume: Any) -> None:
    said, tenant = resume("12345.bb", Halted())
    assert said.startswith(WARNING)
    assert "asked to resume 12345.bb" in said
    assert tenant == "12345.bb"


def test_a_database_that_is_away_keeps_no_command_back(resume: Any) -> None:
    said, tenant = resume("12345.bb", Away())
    assert said.startswith("cannot see whether 12345.bb is halted: database: refused")
    assert WARNING not in said
    assert tenant == "12345.bb"


class Lasting(MemoryLog):
    """Outlives the commands, as a broker does."""

    async def close(self) -> None:
        return


@pytest.fixture
def said_to() -> Lasting:
    """The log of the commands."""
    return Lasting({CONTROL: 1})


@pytest.fixture
def control(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said_to: Lasting
) -> Callable[..., tuple[int, str]]:
    """Runs `control` with a log that lasts; gives the exit code and all output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kafka_log, "KafkaLog", lambda _: said_to)

    async def opened(*_: Any) -> Halted:
        return Halted()

    monkeypatch.setattr(PostgresStore, "open", opened)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["control", *arguments])
        return result.exit_code, result.output + str(result.exception or "")

    return run


def test_a_record_is_given_up_by_its_identity_and_with_a_reason(control: Any, said_to: Lasting) -> None:
    code, said = control("skip", "12345.aa", "--reason", "because", "--yes")
    assert code == 0
    assert said.startswith("events.v1/3/7  too high\nasked to go on without it (request ")
    (record,) = asyncio.run(heard(said_to))
    word = msgspec.json.decode(record.value or b"", type=TenantControl)
    assert (word.tenant, word.action, word.reason) == ("12345.aa", "skip", "because")
    assert (word.topic, word.partition, word.offset, word.record) == ("events.v1", 3, 7, b"\0\xaa")
    assert (record.key, len(word.request)) == (b"tenant/12345.aa", 32)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("12345.bb", "--reason", "because", "--yes"), "no tenant 12345.bb is halted"),
        (("12345.aa", "--yes"), "--reason"),
        (("12345.aa", "--reason", "because"), "Go on without it?"),  # nobody answers
    ],
)
def test_nothing_is_given_up_by_mistake(
    control: Any, said_to: Lasting, words: tuple[str, ...], complaint: str
) -> None:
    code, said = control("skip", *words)
    assert code != 0
    assert complaint in said
    assert asyncio.run(heard(said_to)) == []


def test_words_that_no_reader_would_take_are_not_said(control: Any, said_to: Lasting) -> None:
    code, said = control("pause", "t" * 201)
    assert code != 0
    assert "name of 201 characters" in said
    assert asyncio.run(heard(said_to)) == []


async def acknowledged(log: MemoryLog) -> list[Acknowledgement]:
    records = await heard(log)
    words = [msgspec.json.decode(record.value or b"", type=Acknowledgement) for record in records]
    assert [record.key for record in records] == [f"acknowledgement/{w.request}".encode() for w in words]
    assert len({word.request for word in words}) == len(words)
    return words


def test_alarms_are_acknowledged_with_what_they_say(control: Any, said_to: Lasting) -> None:
    code, said = control("acknowledge", "12345.aa", "undecodable", "--reason", "because")
    assert code == 0
    assert said.startswith("0000  no 0\n0001  no 1\nasked to acknowledge 2 undecodable of 12345.aa (request ")
    (word,) = asyncio.run(acknowledged(said_to))
    assert (word.tenant, word.kind, word.reason) == ("12345.aa", "undecodable", "because")
    named = [(alarm.subject, alarm.detail_digest) for alarm in word.alarms]
    assert named == [(b"\0\0", detail_digest("no 0")), (b"\0\1", detail_digest("no 1"))]


@pytest.mark.parametrize("subject", ["0001", "0x0001"])
def test_one_alarm_is_acknowledged_by_its_subject(control: Any, said_to: Lasting, subject: str) -> None:
    assert control("acknowledge", "12345.aa", "drift", "--subject", subject, "--reason", "because")[0] == 0
    (word,) = asyncio.run(acknowledged(said_to))
    assert [alarm.subject for alarm in word.alarms] == [b"\0\1"]


def test_many_alarms_take_several_messages(control: Any, said_to: Lasting) -> None:
    assert control("acknowledge", "12345.aa", "drift", "--reason", "because")[0] == 0
    assert [len(word.alarms) for word in asyncio.run(acknowledged(said_to))] == [500, 1]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("12345.aa", "drifted", "--reason", "why"), "no alarm drifted of 12345.aa stands; see the view"),
        (("12345.bb", "drift", "--reason", "why"), "no alarm drift of 12345.bb stands"),
        (
            ("12345.aa", "drift", "--subject", "ff", "--reason", "why"),
            "no alarm drift of subject ff of 12345.aa stands",
        ),
        (("12345.aa", "drift", "--subject", "zz", "--reason", "why"), "--subject is in hex, not zz"),
        (("12345.aa", "halted", "--reason", "why"), "a tenant that is halted stays so: `control resume`"),
        (("12345.aa", "gateway_range", "--reason", "why"), "gateway_range ends by itself"),
        (("12345.aa", "drift"), "--reason"),
    ],
)
def test_what_does_not_stand_is_not_acknowledged(
    control: Any, said_to: Lasting, words: tuple[str, ...], complaint: str
) -> None:
    code, said = control("acknowledge", *words)
    assert code != 0
    assert complaint in said
    assert asyncio.run(heard(said_to)) == []


async def heard(log: MemoryLog) -> list[Record]:
    _, end = await log.bounds(CONTROL, 0)
    return [record async for record in log.read(CONTROL, 0, 0, end)]


def test_pauses_and_switches_are_listed_until_they_are_taken_back(control: Any) -> None:
    assert control("pause", "12345.aa") == (0, "tenant 12345.aa is paused until `control resume`\n")
    assert control("pause", "--class", "sns")[0] == 0
    assert control("feature", "locality", "on") == (0, "locality: on\n")
    assert control("feature", "contract-fairness", "off")[0] == 0
    paused = ["pause/class/sns", "pause/tenant/12345.aa"]
    _, said = control("standing")
    assert said.splitlines() == ["feature/contract-fairness  off", "feature/locality  on", *paused]
    names = [word["type"] for word in msgspec.json.decode(control("standing", "--json")[1])]
    assert names == ["feature", "feature", "pause", "pause"]
    for words in (["resume", "12345.aa"], ["resume", "--class", "sns"], ["feature", "locality", "default"]):
        assert control(*words)[0] == 0
    assert control("feature", "contract-fairness", "default")[0] == 0
    assert control("standing") == (0, "nothing is paused, switched or preferred\n")


def test_priorities_are_listed_until_they_are_taken_back(control: Any) -> None:
    assert control("priority", "12345.aa", "2") == (0, "priority/12345.aa: 2\n")
    assert control("priority", "12345.aa", "-3", "--class", "sns")[0] == 0
    _, said = control("standing")
    assert said.splitlines() == ["priority/12345.aa  +2", "priority/12345.aa/sns  -3"]
    assert control("priority", "12345.aa", "0", "--class", "sns")[0] == 0
    assert control("priority", "12345.aa", "0")[0] == 0
    assert control("standing") == (0, "nothing is paused, switched or preferred\n")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pause"], "name a tenant, or a work class"),
        (["pause", "t", "--class", "sns"], "name a tenant, or a work class"),
        (["pause", "--class", "snail"], "snail is no work class: tfhe, zkproof"),
        (["feature", "telepathy", "on"], "telepathy"),
        (["priority", "12345.aa", "5"], "than or equal to 4"),
        (["priority", "12345.aa", "2", "--class", "snail"], "snail is no work class: tfhe, zkproof"),
    ],
)
def test_a_wrong_word_is_refused(control: Any, words: list[str], complaint: str) -> None:
    code, said = control(*words)
    assert code != 0
    assert complaint in said
    assert control("standing")[1] == "nothing is paused, switched or preferred\n"
