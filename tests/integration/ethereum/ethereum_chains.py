"""Clients of the two chains for one test, and who takes part on them."""

import msgspec

from streams.adapters.ethereum.chain import EthereumChain
from streams.devnet.chain_client import DevAccounts, Wallet
from streams.devnet.contracts import Deployment, Network
from streams.domain.events import Coprocessor

OPERATORS = 3


class Chains(msgspec.Struct, frozen=True):
    """Clients of both chains for one test."""

    host: EthereumChain
    gateway: EthereumChain
    at: Deployment
    accounts: DevAccounts
    host_ws_url: str

    def on_host(self, index: int) -> Wallet:
        return Wallet(self.host, self.accounts.users[index])

    def owner_on(self, chain: EthereumChain) -> Wallet:
        return Wallet(chain, self.accounts.owner)

    def relayer(self) -> Wallet:
        return Wallet(self.gateway, self.accounts.relayer)

    def operator(self, index: int) -> Wallet:
        return Wallet(self.gateway, self.accounts.coprocessor_senders[index])


def network(accounts: DevAccounts, *, operators: int = OPERATORS, threshold: int = 2) -> Network:
    pairs = zip(accounts.coprocessor_senders, accounts.coprocessor_signers, strict=True)
    return Network(
        coprocessors=tuple(
            Coprocessor(sender.address, signer.address, f"http://bucket/{index}")
            for index, (sender, signer) in enumerate(pairs)
            if index < operators
        ),
        threshold=threshold,
        kms_signer=accounts.kms.address,
    )
