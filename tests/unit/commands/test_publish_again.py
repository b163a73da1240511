"""`control accept-loss` and `control publish-again` as an operator runs them, in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from unit.listener.fake_chain import FakeChain, blocks_of, ranges_of

from streams.adapters.ethereum import chain as ethereum
from streams.adapters.kafka import log as kafka_log
from streams.adapters.memory.log import MemoryLog
from streams.adapters.postgres.store import PostgresStore, TenantPlace
from streams.cli import app
from streams.domain.facts import GATEWAY_TENANT, host_tenant
from streams.messages.topics import EVENTS, KEYSETS, RESULTS

ACL, IDLE = "aa" * 20, "bb" * 20
OURS, OTHERS = host_tenant(12345, bytes.fromhex(ACL)), host_tenant(777, bytes.fromhex(IDLE))
SETTINGS = f"""
[[host_chain]]
id = 12345
http_url = "http://ours"
acl_address = "0x{ACL}"
executor_address = "0x{ACL}"
start_block = 4
reorg_depth_max = 6

[[host_chain]]
id = 777
http_url = "http://others"
acl_address = "0x{IDLE}"
executor_address = "0x{IDLE}"
start_block = 9

[gateway]
chain_id = 54321
http_url = "http://gateway"
"""
Run = Callable[..., tuple[int, str]]


class Lasting(MemoryLog):
    """Outlives the commands, as a broker does; all tenants are in one partition."""

    async def close(self) -> None:
        return


class Store:
    """The database, for who accepts a loss."""

    repaired: tuple[Any, ...] = ()

    async def repair(self, *place: Any) -> None:
        self.repaired = place

    async def places(self, shard: int) -> list[TenantPlace]:
        del shard
        places = {OURS: (20, 7), GATEWAY_TENANT: (-1, 11)}
        return [
            TenantPlace(tenant=tenant, tip_number=tip, gateway_number=end)
            for tenant, (tip, end) in places.items()
        ]

    async def close(self) -> None:
        return


class Node(FakeChain):
    """A chain behind a URL."""

    id = 12345

    async def chain_id(self) -> int:
        return self.id


@pytest.fixture
def log() -> Lasting:
    return Lasting({EVENTS: 1, RESULTS: 1, KEYSETS: 1})


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def node() -> Node:
    """Behind every URL."""
    return Node(length=30)


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log: Lasting, store: Store, node: Node) -> Run:
    """Runs `control`; gives the exit code and all output."""
    (tmp_path / "cipherstream.toml").write_text(SETTINGS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kafka_log, "KafkaLog", lambda _: log)
    monkeypatch.setattr(ethereum, "EthereumChain", lambda *_, **__: node)

    async def opened(*_: Any) -> Store:
        return store

    monkeypatch.setattr(PostgresStore, "open", opened)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["control", *arguments])
        return result.exit_code, result.output + str(result.exception or "")

    return run


def commands(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("cipherstream control publish-again")]


def test_a_loss_that_is_accepted_names_what_tells_the_facts_again(control: Run, store: Store) -> None:
    code, said = control("accept-loss", EVENTS, "0", "--yes")
    assert (code, store.repaired[:2]) == (0, (EVENTS, 0))
    assert "does not go on by that alone" in said
    assert commands(said) == [
        "cipherstream control publish-again --chain 12345 --from-block 14",
        "cipherstream control publish-again --chain 777 --from-block 9",
        "cipherstream control publish-again --chain 54321 --from-block 0",
    ]


def test_lost_results_are_nobody_s_facts(control: Run, store: Store) -> None:
    code, said = control("accept-loss", RESULTS, "0", "--yes")
    assert (code, store.repaired[:2]) == (0, (RESULTS, 0))
    assert commands(said) == []


def test_blocks_are_published_again_up_to_the_head(control: Run, log: Lasting) -> None:
    code, said = control("publish-again", "--chain", "12345", "--from-block", "14")
    assert (code, said.splitlines()[-1]) == (0, "chain 12345 is told again up to block 29")
    assert [block.number for block in blocks_of(log, OURS)] == list(range(14, 30))
    assert blocks_of(log, OTHERS) == []


def test_ranges_are_published_again_to_every_tenant(control: Run, log: Lasting, node: Node) -> None:
    node.id = 54321
    code, said = control("publish-again", "--chain", "54321", "--from-block", "8")
    assert (code, said.splitlines()[-1]) == (0, "chain 54321 is told again up to block 29")
    for tenant in (OURS, OTHERS, GATEWAY_TENANT):
        assert [(found.from_block, found.to_block) for found in ranges_of(log, tenant)] == [(7, 29)]


def test_a_command_that_fails_says_how_far_it_came(control: Run, log: Lasting) -> None:
    log.fail_next(EVENTS)
    code, said = control("publish-again", "--chain", "12345", "--from-block", "14")
    assert code == 1
    assert "it was told up to block 14: repeat the command from there" in said


@pytest.mark.parametrize(
    ("chain", "first", "complaint"),
    [
        ("1", "5", "there is no chain 1 in the settings: 12345, 777, 54321"),
        ("777", "9", "the node for chain 777 is on chain 12345"),
        ("12345", "3", "chain 12345 has blocks to tell from 4 to 29"),
        ("12345", "30", "chain 12345 has blocks to tell from 4 to 29"),
        ("12345", "-1", "--from-block"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    control: Run, log: Lasting, chain: str, first: str, complaint: str
) -> None:
    code, said = control("publish-again", "--chain", chain, "--from-block", first)
    assert code != 0
    assert complaint in said
    assert log.records(EVENTS) == ()
