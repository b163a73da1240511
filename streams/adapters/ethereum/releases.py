"""Which releases of the gateway's contracts we speak: asked of each contract, because its calls cannot tell.

A contract of another release may take our calls and mean something else by them.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.calls import GET_VERSION
from streams.domain.errors import CallReverted, ForeignRelease, Undecodable
from streams.settings import GatewaySettings

SPOKEN: Final[Mapping[str, str]] = {
    "input_verification_address": "InputVerification v0.6.0",
    "ciphertext_commits_address": "CiphertextCommits v0.6.0",
    "gateway_config_address": "GatewayConfig v0.8.0",
}
# Networks that still replicate rights to the gateway (up to v0.11) have these; our calls are the same there.
OLD: Final[Mapping[str, str]] = {
    "input_verification_address": "InputVerification v0.3.0",
    "ciphertext_commits_address": "CiphertextCommits v0.3.0",
    "gateway_config_address": "GatewayConfig v0.4.0",
    "multichain_acl_address": "MultichainACL v0.3.0",
}


class Views(Protocol):
    """A node of the gateway."""

    async def view(self, address: bytes, called: abi.Function, *arguments: object) -> tuple[object, ...]:
        """Result of a view at the head; raises RpcError, ContractReverted, Undecodable."""
        ...


async def require_spoken(node: Views, gateway: GatewaySettings) -> None:
    """Ask every contract that the settings name for its release.

    Raises:
        RpcError: the node does not answer, or has not come to the contracts' deployment.
        ForeignRelease: one is of a release that we do not speak; the message names it.
    """
    lines = (SPOKEN,) if gateway.multichain_acl_address is None else (SPOKEN, OLD)
    for setting in sorted(SPOKEN.keys() | OLD.keys()):
        address: str | None = getattr(gateway, setting)
        if address is not None:
            await _require(node, setting, address, {line[setting] for line in lines if setting in line})


async def _require(node: Views, setting: str, address: str, spoken: set[str]) -> None:
    where, ours = f"gateway.{setting} ({address})", " or ".join(sorted(spoken))
    try:
        (found,) = await node.view(bytes.fromhex(address.removeprefix("0x")), GET_VERSION)
    except (CallReverted, Undecodable) as error:
        raise ForeignRelease(f"{where} does not tell its version; this release speaks {ours}") from error
    if found not in spoken:
        raise ForeignRelease(f"{where} is {found}; this release speaks {ours}")
