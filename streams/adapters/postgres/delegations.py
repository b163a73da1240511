"""Read-only: who may decrypt in whose name, as the canonical branch has it."""

import msgspec

from streams.adapters.postgres import pool, queries


class Delegation(msgspec.Struct, frozen=True):
    """The last word on a delegator, a delegate and a contract; addresses as text."""

    tenant: str
    delegator: str
    delegate: str
    contract: str
    counter: int
    expiration: int  # seconds since 1970, as the event says it; 0 when revoked
    is_revoked: bool
    block_number: int


async def standing(connections: pool.Pool, account: bytes | None = None) -> list[Delegation]:
    """All delegations, or those that an account gave or has; raises StoreError."""
    statement = queries.load("delegations.sql")["standing"]
    async with pool.acquired(connections) as connection:
        rows = await connection.fetch(statement, account)
    return [
        Delegation(
            tenant=row["tenant"],
            delegator=f"0x{row['delegator'].hex()}",
            delegate=f"0x{row['delegate'].hex()}",
            contract=f"0x{row['contract_address'].hex()}",
            counter=int(row["delegation_counter"]),
            expiration=int(row["expiration_date"]),
            is_revoked=row["is_revoked"],
            block_number=row["block_number"],
        )
        for row in rows
    ]
