"""`delegations` tells each last word in one line, and refuses what is no account."""

import asyncio

import pytest
from typer.testing import CliRunner

from streams.adapters.postgres.delegations import Delegation
from streams.cli import app
from streams.commands import delegations

GIVEN = Delegation(
    tenant="1.aa",
    delegator="0x01",
    delegate="0x02",
    contract="0x03",
    counter=1,
    expiration=1_800_000_000,
    is_revoked=False,
    block_number=7,
)
REVOKED = Delegation("1.aa", "0x01", "0x04", "0x03", 2, 0, True, 9)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    accounts: list[bytes | None] = []

    async def read(account: bytes | None) -> list[Delegation]:
        await asyncio.sleep(0)
        accounts.append(account)
        return [] if account == b"\x09" * 20 else [GIVEN, REVOKED]

    monkeypatch.setattr(delegations, "_read", read)
    return accounts


def test_each_delegation_is_a_line(asked: list[bytes | None]) -> None:
    shown = CliRunner().invoke(app, ["delegations"])
    assert asked == [None]
    assert shown.stdout.splitlines() == [
        "0x01 to 0x02 for 0x03: until 1800000000, block 7",
        "0x01 to 0x04 for 0x03: revoked, block 9",
    ]


def test_an_account_chooses_and_json_has_all_columns(asked: list[bytes | None]) -> None:
    shown = CliRunner().invoke(app, ["delegations", "0x" + "01" * 20, "--json"])
    assert asked == [b"\x01" * 20]
    assert '"expiration":1800000000' in shown.stdout.replace(" ", "")


def test_nothing_is_told_as_nothing(asked: list[bytes | None]) -> None:
    shown = CliRunner().invoke(app, ["delegations", "09" * 20])
    assert (shown.exit_code, shown.stdout) == (0, "")


@pytest.mark.parametrize("account", ["0x12", "nobody"])
def test_what_is_no_account_is_refused(asked: list[bytes | None], account: str) -> None:
    assert CliRunner().invoke(app, ["delegations", account]).exit_code == 2
    assert asked == []
