"""A gateway of another release than we speak is refused by name, before anything is called or believed."""

import json

import httpx
import pytest

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.calls import GET_VERSION
from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.errors import ContractReverted, NoCode
from streams.adapters.ethereum.releases import OLD, SPOKEN, require_spoken
from streams.adapters.ethereum.rpc import RpcClient
from streams.domain.errors import Fatal, ForeignRelease, RpcError, Undecodable
from streams.settings import GatewaySettings

ADDRESSES = {setting: bytes((number,)) * 20 for number, setting in enumerate(sorted(OLD), 0xA0)}


class Contracts:
    """A node on which each address has a contract that tells a version, or fails to."""

    def __init__(self, *lines: str | Exception, **versions: str) -> None:
        self._of = {ADDRESSES[setting]: version for setting, version in versions.items()}
        self._failure = next((line for line in lines if isinstance(line, Exception)), None)
        self.asked: list[bytes] = []

    async def view(self, address: bytes, called: abi.Function, *arguments: object) -> tuple[object, ...]:
        assert (called, arguments) == (GET_VERSION, ())
        self.asked.append(address)
        if self._failure is not None:
            raise self._failure
        return (self._of[address],)


def settings(*named: str) -> GatewaySettings:
    return GatewaySettings.model_validate({name: "0x" + ADDRESSES[name].hex() for name in named})


async def test_every_contract_that_is_named_is_asked_and_passes() -> None:
    node = Contracts(**SPOKEN)
    await require_spoken(node, settings(*SPOKEN))
    assert sorted(node.asked) == sorted(ADDRESSES[name] for name in SPOKEN)


async def test_what_no_setting_names_is_not_asked() -> None:
    node = Contracts(**SPOKEN)
    await require_spoken(node, settings("input_verification_address"))
    assert node.asked == [ADDRESSES["input_verification_address"]]


@pytest.mark.parametrize("setting", sorted(SPOKEN))
@pytest.mark.parametrize("version", ["CiphertextCommits v0.7.0", "InputVerification v0.5.0", ""])
async def test_another_version_is_fatal_and_named(setting: str, version: str) -> None:
    node = Contracts(**{**SPOKEN, setting: version})
    with pytest.raises(ForeignRelease) as raised:
        await require_spoken(node, settings(*SPOKEN))
    assert isinstance(raised.value, Fatal)
    assert f"gateway.{setting} (0x{ADDRESSES[setting].hex()}) is {version}; " in str(raised.value)
    assert SPOKEN[setting] in str(raised.value)


@pytest.mark.parametrize("failure", [Undecodable("0 bytes"), ContractReverted("Unknown", (), b"")])
async def test_a_contract_that_tells_no_version_is_none_of_ours(failure: Exception) -> None:
    with pytest.raises(ForeignRelease, match="does not tell its version"):
        await require_spoken(Contracts(failure), settings("ciphertext_commits_address"))


async def test_a_node_that_is_away_says_nothing_about_releases() -> None:
    with pytest.raises(RpcError):
        await require_spoken(Contracts(RpcError()), settings("ciphertext_commits_address"))


@pytest.mark.parametrize(("code", "error"), [("0x", NoCode), ("0x60", ForeignRelease)])
async def test_a_node_below_the_deployment_is_waited_for_and_another_contract_is_not(
    code: str, error: type[Exception]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)
        result = {"eth_call": "0x", "eth_getCode": code}[asked["method"]]
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "result": result})

    async with RpcClient("http://node", transport=httpx.MockTransport(answer)) as rpc:
        with pytest.raises(error):
            await require_spoken(EthereumChain(rpc), settings("ciphertext_commits_address"))
    assert issubclass(NoCode, RpcError)


async def test_an_old_network_is_spoken_to_only_where_its_rights_go_to_the_gateway() -> None:
    await require_spoken(Contracts(**OLD), settings(*OLD))
    with pytest.raises(ForeignRelease, match=r"v0\.3\.0; this release speaks CiphertextCommits v0\.6\.0"):
        await require_spoken(Contracts(**OLD), settings("ciphertext_commits_address"))
    later = {**OLD, "multichain_acl_address": "MultichainACL v0.9.0"}
    with pytest.raises(ForeignRelease, match=r"MultichainACL v0\.9\.0"):
        await require_spoken(Contracts(**later), settings(*OLD))
