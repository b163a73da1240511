"""What `doctor` says of a deployment, with the real servers behind the settings."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.kafka import topics
from streams.adapters.postgres import migrate
from streams.commands import reach
from streams.commands.machine import Need
from streams.devnet.stack import Stack
from streams.settings import Settings

pytestmark = pytest.mark.stack

ADDRESS, NOTHING = "0x" + "11" * 20, "0x" + "12" * 20


def settings_of(stack: Stack, name: str, **changes: Any) -> Settings:
    """Settings of a deployment of this name, which is not there yet."""
    host = {"id": stack.host_chain_id, "http_url": stack.host_http_url}
    tables: dict[str, Any] = {
        "kafka": {"bootstrap": stack.kafka_bootstrap, "prefix": f"{name}."},
        "postgres": {"url": stack.postgres_url, "schema": name},
        "object_store": {"endpoint": stack.s3_endpoint},
        "host_chain": [{**host, "acl_address": ADDRESS, "executor_address": ADDRESS}],
        "gateway": {"chain_id": stack.gateway_chain_id, "http_url": stack.gateway_http_url},
    }
    return Settings(**{**tables, **changes})


async def asked(settings: Settings) -> dict[str, Need]:
    return {need.name: need for need in await reach.needs(settings)}


@pytest.fixture(autouse=True)
async def _contract(stack: Stack) -> None:
    """Something that answers where the settings name contracts."""
    for url in (stack.host_http_url, stack.gateway_http_url):
        async with RpcClient(url) as rpc:
            await rpc.call("anvil_setCode", (ADDRESS, "0x00"), msgspec.json.Decoder(None))


@pytest.fixture
def name() -> str:
    return f"reach_{secrets.token_hex(4)}"


async def test_servers_without_topics_and_tables_are_told_with_the_commands(stack: Stack, name: str) -> None:
    found = await asked(settings_of(stack, name))
    lacking = {need.name: need.found for need in found.values() if not need.is_here}
    assert set(lacking) == {"topics", "database"}
    assert "`topics apply`" in lacking["topics"]
    assert "`cipherstream migrate`" in lacking["database"]


async def test_a_deployment_that_stands_lacks_nothing(stack: Stack, name: str, tmp_path: Path) -> None:
    key = tmp_path / "signer.key"
    key.write_text("0x" + "01" * 32)
    settings = settings_of(stack, name, signer={"private_key_file": key})
    admin = topics.connect(settings.kafka)
    topics.apply(admin, topics.plan(admin, settings.kafka.prefix), settings.kafka.prefix)
    await migrate.migrate(stack.postgres_url, name)
    found = await asked(settings)
    assert {need.name for need in found.values() if not need.is_here} == set()
    host = f"host chain {stack.host_chain_id}"
    assert set(found) == {"broker", "database", "object store", host, "gateway", "device", "signer's key"}


async def test_a_node_of_another_chain_is_told(stack: Stack, name: str) -> None:
    swapped = {"chain_id": stack.gateway_chain_id, "http_url": stack.host_http_url}
    found = (await asked(settings_of(stack, name, gateway=swapped)))["gateway"]
    assert (found.is_here, found.found) == (False, f"the node is of chain {stack.host_chain_id}")


async def test_an_address_without_a_contract_is_told(stack: Stack, name: str) -> None:
    host = {"id": stack.host_chain_id, "http_url": stack.host_http_url, "acl_address": ADDRESS}
    wrong = {**host, "executor_address": NOTHING, "input_verifier_address": NOTHING}
    gateway = {"chain_id": stack.gateway_chain_id, "http_url": stack.gateway_http_url}
    settings = settings_of(
        stack, name, host_chain=[wrong], gateway={**gateway, "decryption_address": NOTHING}
    )
    found = await asked(settings)
    host_chain = found[f"host chain {stack.host_chain_id}"]
    assert host_chain.found == "no contract at executor_address, input_verifier_address"
    assert found["gateway"].found == "no contract at decryption_address"


@pytest.mark.parametrize(
    ("section", "values", "name_of_need"),
    [
        ("kafka", {"security": {"no.such.property": "1"}}, "broker"),
        ("postgres", {"url": "postgresql://nobody:hidden@127.0.0.1:1/x"}, "database"),
        ("postgres", {"url": "hidden"}, "database"),
        ("object_store", {"endpoint": "http://127.0.0.1:1/hidden"}, "object store"),
        ("object_store", {"endpoint": "http://[hidden"}, "object store"),
        ("gateway", {"http_url": "http://[hidden"}, "gateway"),
        ("gateway", {"http_url": "nothing"}, "gateway"),
    ],
)
async def test_what_is_wrong_is_told_and_hides_no_other_answer(
    stack: Stack, name: str, section: str, values: Mapping[str, Any], name_of_need: str
) -> None:
    found = await asked(settings_of(stack, name, **{section: values}))
    assert not found[name_of_need].is_here
    assert found[name_of_need].remedy
    assert "hidden" not in str(found)
    assert found[f"host chain {stack.host_chain_id}"].is_here
