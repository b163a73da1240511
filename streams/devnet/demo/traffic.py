"""The users of the demonstration: they mint, encrypt, prove, ask the gateway and transfer."""

import asyncio
from typing import Final

import msgspec

from streams.adapters.ethereum.chain import EthereumChain
from streams.devnet import chain_client
from streams.devnet.chain_client import DevAccounts, ProofOutcome, Wallet
from streams.devnet.contracts import Deployment
from streams.devnet.demo.ledger import Kind, Mint, Transfer
from streams.domain.errors import Fatal
from streams.domain.events import ACL_TOPICS, Allowed, decode_host_log
from streams.domain.operations import FheType
from streams.fhe.suite import ClearValue, Encryptor

PROOF_TIMEOUT_S: Final = 600.0


class Chains(msgspec.Struct, frozen=True):
    """Both chains and what lies on them."""

    host: EthereumChain
    gateway: EthereumChain
    deployment: Deployment


class Request(msgspec.Struct, frozen=True):
    """An input that the gateway was asked to have verified."""

    number: int
    block: int


class Traffic:
    """Wallets of everybody."""

    def __init__(self, chains: Chains, accounts: DevAccounts) -> None:
        self._chains = chains
        self._accounts = accounts
        self._owner = Wallet(chains.host, accounts.owner)
        self._relayer = Wallet(chains.gateway, accounts.relayer)
        self._users = [Wallet(chains.host, user) for user in accounts.users]
        self.verified = 0
        self.rejected = 0

    async def mint(self, mint: Mint) -> None:
        """New tokens; returns when the transaction is mined."""
        to = self._accounts.users[mint.receiver].address
        await chain_client.mint(self._owner, self._chains.deployment.token, to, mint.amount)

    async def transfer(self, transfer: Transfer, encryptor: Encryptor) -> None:
        """Encrypt and prove the amount, have it verified, and use it on the host chain.

        Raises: Fatal when the gateway answers otherwise than the kind of transfer asks for.
        """
        outcome = await self.answered(await self.ask(transfer, encryptor))
        if transfer.kind is Kind.FOREIGN:
            if outcome.is_verified:
                raise Fatal(f"transfer {transfer.number}: a proof for another user was accepted")
            self.rejected += 1
            return
        if not outcome.is_verified:
            raise Fatal(f"transfer {transfer.number}: an honest proof was rejected")
        self.verified += 1
        await self.use(transfer, outcome)

    async def ask(self, transfer: Transfer, encryptor: Encryptor) -> Request:
        """Encrypt and prove the amount and hand it to the gateway; returns when that is mined."""
        user = self._accounts.users[transfer.sender].address
        # The foreign proof is a good one, but made for the receiver; the sender hands it in.
        prover = self._accounts.users[transfer.receiver].address if transfer.kind is Kind.FOREIGN else user
        values = (ClearValue(FheType.UINT64, transfer.amount),)
        ciphertext = await asyncio.to_thread(encryptor.prove, values, self._auxiliary(prover))
        deployment = self._chains.deployment
        number, receipt = await chain_client.request_proof(
            self._relayer,
            deployment.input_verification,
            host_chain_id=deployment.host_chain_id,
            contract=deployment.token,
            user=user,
            ciphertext=ciphertext,
        )
        return Request(number, receipt.block_number)

    async def answered(self, request: Request) -> ProofOutcome:
        """What enough coprocessors answered; waits for it."""
        return await chain_client.wait_for_proof(
            self._chains.gateway,
            self._chains.deployment.input_verification,
            request.number,
            from_block=request.block,
            timeout_s=PROOF_TIMEOUT_S,
        )

    async def use(self, transfer: Transfer, outcome: ProofOutcome) -> None:
        """Transfer an amount that was verified; returns when the transaction is mined."""
        proof = chain_client.assemble_input_proof(outcome.handles, outcome.signatures)
        receiver = self._accounts.users[transfer.receiver].address
        token = self._chains.deployment.token
        sender = self._users[transfer.sender]
        await chain_client.confidential_transfer(sender, token, receiver, outcome.handles[0], proof)

    def _auxiliary(self, user: bytes) -> bytes:
        """What a proof is bound to: contract, user, ACL and chain."""
        deployment = self._chains.deployment
        chain_id = deployment.host_chain_id.to_bytes(32, "big")
        return deployment.token + user + deployment.acl + chain_id

    async def balance_handles(self) -> tuple[bytes, ...]:
        """Handle of each user's balance, and of the supply as the last."""
        token = self._chains.deployment.token
        users = [
            await chain_client.balance_handle(self._chains.host, token, user.address)
            for user in self._accounts.users
        ]
        return (*users, await chain_client.total_supply_handle(self._chains.host, token))

    async def allowed_handles(self) -> tuple[bytes, ...]:
        """Every handle that the chain allows anybody: those that must come to the gateway."""
        head = await self._chains.host.head()
        logs = await self._chains.host.logs_in_range(0, head.number, [self._chains.deployment.acl])
        events = (decode_host_log(e.log.topics, e.log.data) for e in logs if e.log.topics[0] in ACL_TOPICS)
        return tuple(dict.fromkeys(event.handle for event in events if isinstance(event, Allowed)))
