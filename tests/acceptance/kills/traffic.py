"""What users do in every round: the same transactions in the same order, with the same recorded inputs."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from streams.adapters.ethereum.chain import EthereumChain
from streams.devnet import chain_client
from streams.devnet.chain_client import DevAccounts, ProofOutcome, Wallet
from streams.devnet.contracts import Deployment
from streams.domain.events import ACL_TOPICS, Allowed, decode_host_log
from streams.domain.operations import FheType
from streams.fhe.suite import ClearValue, Encryptor

PROOF_TIMEOUT_S = 500.0  # the first input waits until the workers have loaded their keys
LARGE_BYTES = 250_000  # neither the gateway's fact nor the work fits into one record


class Mint(msgspec.Struct, frozen=True):
    receiver: int
    amount: int


class Transfer(msgspec.Struct, frozen=True):
    """`prover` is whom the input was proven for; anybody but the sender, or nobody, ends in a rejection."""

    sender: int
    receiver: int
    amount: int
    prover: int | None

    @property
    def is_honest(self) -> bool:
        return self.prover == self.sender


class Script(msgspec.Struct, frozen=True):
    mints: tuple[Mint, ...]
    transfers: tuple[Transfer, ...]

    def balances(self, users: int) -> list[int]:
        """The ledger at the end: what exceeds a balance moves nothing, what is rejected never happens."""
        held = [0] * users
        for mint in self.mints:
            held[mint.receiver] += mint.amount
        for transfer in self.transfers:
            if transfer.is_honest and transfer.amount <= held[transfer.sender]:
                held[transfer.sender] -= transfer.amount
                held[transfer.receiver] += transfer.amount
        return held


WHOLE = Script(
    mints=(Mint(0, 1_000),),
    transfers=(
        Transfer(sender=0, receiver=1, amount=120, prover=0),
        Transfer(sender=1, receiver=0, amount=7, prover=0),  # proven for another user
        Transfer(sender=2, receiver=0, amount=7, prover=None),  # a large input that is no list
        Transfer(sender=1, receiver=2, amount=5_000, prover=1),  # exceeds the balance
    ),
)
SMALL = Script(mints=(Mint(0, 1_000),), transfers=(Transfer(sender=0, receiver=1, amount=120, prover=0),))


class Traffic:
    """The users of one round."""

    def __init__(self, host: EthereumChain, gateway: EthereumChain, at: Deployment) -> None:
        accounts: DevAccounts = chain_client.dev_accounts()
        self._host, self._gateway, self._at = host, gateway, at
        self._users = [Wallet(host, user) for user in accounts.users]
        self._owner = Wallet(host, accounts.owner)
        self._relayer = Wallet(gateway, accounts.relayer)

    def record(self, script: Script, encryptor: Encryptor) -> tuple[bytes, ...]:
        """Input lists with their proofs; no two are ever equal, so all rounds use these."""
        return tuple(self._prove(transfer, encryptor) for transfer in script.transfers)

    def _prove(self, transfer: Transfer, encryptor: Encryptor) -> bytes:
        if transfer.prover is None:
            return bytes(LARGE_BYTES)
        prover, at = self._users[transfer.prover].address, self._at
        bound = at.token + prover + at.acl + at.host_chain_id.to_bytes(32, "big")
        return encryptor.prove((ClearValue(FheType.UINT64, transfer.amount),), bound)

    async def play(
        self, script: Script, inputs: Sequence[bytes], when_busy: Callable[[], None] = lambda: None
    ) -> None:
        """Everything in its order; returns when the last transfer is mined.

        Busy is from the first input's verification on: other inputs are under way, transfers are to come.
        """
        for mint in script.mints:
            to = self._users[mint.receiver].address
            await chain_client.mint(self._owner, self._at.token, to, mint.amount)
        asked = [await self._ask(*pair) for pair in zip(script.transfers, inputs, strict=True)]
        for transfer, (number, block) in zip(script.transfers, asked, strict=True):
            outcome = await self._answer(number, block)
            assert outcome.is_verified == transfer.is_honest
            if outcome.is_verified:
                when_busy()
                await self._transfer(transfer, outcome)

    async def _ask(self, transfer: Transfer, ciphertext: bytes) -> tuple[int, int]:
        number, receipt = await chain_client.request_proof(
            self._relayer,
            self._at.input_verification,
            host_chain_id=self._at.host_chain_id,
            contract=self._at.token,
            user=self._users[transfer.sender].address,
            ciphertext=ciphertext,
        )
        return number, receipt.block_number

    async def _answer(self, number: int, block: int) -> ProofOutcome:
        contract = self._at.input_verification
        return await chain_client.wait_for_proof(
            self._gateway, contract, number, from_block=block, timeout_s=PROOF_TIMEOUT_S
        )

    async def _transfer(self, transfer: Transfer, outcome: ProofOutcome) -> None:
        proof = chain_client.assemble_input_proof(outcome.handles, outcome.signatures)
        wallet, to = self._users[transfer.sender], self._users[transfer.receiver].address
        await chain_client.confidential_transfer(wallet, self._at.token, to, outcome.handles[0], proof)

    async def allowed(self) -> set[bytes]:
        """Every handle that the chain allows anybody."""
        head = await self._host.head()
        logs = await self._host.logs_in_range(0, head.number, [self._at.acl])
        known = (decode_host_log(e.log.topics, e.log.data) for e in logs if e.log.topics[0] in ACL_TOPICS)
        return {event.handle for event in known if isinstance(event, Allowed)}

    async def balance_handles(self) -> list[bytes]:
        """Of each user; zeros where the account never had a balance."""
        users = (chain_client.balance_handle(self._host, self._at.token, u.address) for u in self._users)
        return list(await asyncio.gather(*users))
