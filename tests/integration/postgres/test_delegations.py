"""Delegations and bridges in the database: wide numbers, and views of the canonical branch."""

import pytest

from streams.adapters.postgres import life
from streams.adapters.postgres.delegations import standing
from streams.adapters.postgres.store import PostgresStore
from streams.domain.rows import BlockRow, BlockStatus, BridgeRow, DelegationRow, Row
from streams.domain.state import Changes, Read

pytestmark = pytest.mark.stack

T = "12345.aa"
OWNER, FRIEND, DAPP = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
HANDLE, OTHER = b"\x0a" * 32, b"\x0b" * 32
FOREVER = 2**64 - 1


def block(name: int, number: int, status: BlockStatus = BlockStatus.CANONICAL) -> BlockRow:
    return BlockRow(
        tenant=T,
        hash=bytes((name,)) * 32,
        parent_hash=bytes(32),
        number=number,
        timestamp=0,
        status=status,
        sequence=name,
    )


def delegation(name: int, log_index: int, until: int, delegate: bytes = FRIEND) -> DelegationRow:
    return DelegationRow(
        tenant=T,
        block_hash=bytes((name,)) * 32,
        log_index=log_index,
        transaction_id=b"",
        delegator=OWNER,
        delegate=delegate,
        contract_address=DAPP,
        delegation_counter=FOREVER,
        old_expiration_date=1,
        new_expiration_date=until,
    )


async def written(store: PostgresStore, *rows: Row) -> None:
    by_table: dict[type[Row], list[Row]] = {}
    for row in rows:
        by_table.setdefault(type(row), []).append(row)
    epoch = (await store.claim(0, "me", {})).epoch
    async with store.begin(0, epoch) as tx:
        await tx.write(Changes(by_table, {}))


async def test_numbers_of_64_bits_come_back_as_they_were(store: PostgresStore) -> None:
    row = delegation(1, 0, FOREVER)
    bridged = BridgeRow(
        tenant=T, block_hash=HANDLE, log_index=1, transaction_id=b"", kind="k", dst_chain_id=FOREVER
    )
    await written(store, row, bridged)
    epoch = (await store.claim(0, "you", {})).epoch
    async with store.begin(0, epoch) as tx:
        reads = [Read(type(kept), kept.KEY, (T, kept.block_hash, kept.log_index)) for kept in (row, bridged)]
        assert await tx.load(reads) == [[row], [bridged]]


async def test_the_last_word_of_the_canonical_branch_stands(store: PostgresStore) -> None:
    await written(
        store,
        block(1, 1),
        block(2, 2),
        block(3, 2, BlockStatus.SIDE),
        delegation(1, 7, 10),
        delegation(2, 0, FOREVER),
        delegation(3, 0, 0),
        delegation(1, 8, 5, DAPP),
        delegation(2, 1, 0, DAPP),
    )
    friend, dapp = await standing(store.pool)
    assert (friend.expiration, friend.is_revoked, friend.block_number) == (FOREVER, False, 2)
    assert (friend.delegator, friend.delegate) == (f"0x{OWNER.hex()}", f"0x{FRIEND.hex()}")
    assert (dapp.expiration, dapp.is_revoked, dapp.counter) == (0, True, FOREVER)
    assert await standing(store.pool, FRIEND) == [friend]
    assert await standing(store.pool, OWNER) == [friend, dapp]
    assert await standing(store.pool, b"\x09" * 20) == []
    await store.pool.execute("update blocks set status = 'side' where number = 2 and status = 'canonical'")
    await store.pool.execute("update blocks set status = 'canonical' where sequence = 3")
    friend, dapp = await standing(store.pool)
    assert (friend.is_revoked, dapp.expiration) == (True, 5)


async def test_the_life_of_a_handle_tells_of_the_bridge(store: PostgresStore) -> None:
    def bridge(at: int, kind: str, src: bytes, dst: bytes, chain_id: int = 0) -> BridgeRow:
        return BridgeRow(
            tenant=T,
            block_hash=block(1, 1).hash,
            log_index=at,
            transaction_id=b"",
            kind=kind,
            src_handle=src,
            dst_handle=dst,
            dst_chain_id=chain_id,
        )

    rows = [
        bridge(0, "bridge_handle", HANDLE, b"", 137),
        bridge(1, "handle_bridged", OTHER, HANDLE),
        bridge(2, "fallback_granted", b"", HANDLE),
    ]
    await written(store, block(1, 1), *rows)
    told = (await life.read(store.pool, HANDLE)).steps
    assert {step.what for step in told} == {"UNSUPPORTED bridge"}
    assert sorted(step.detail.rsplit(", ", 1)[0] for step in told) == [
        f"bridged from 0x{OTHER.hex()} as 0x{HANDLE.hex()}",
        "its plaintext was granted instead of a bridge",
        "to be bridged to chain 137",
    ]
    assert [step.detail for step in (await life.read(store.pool, OTHER)).steps] == [
        f"bridged from 0x{OTHER.hex()} as 0x{HANDLE.hex()}, block 1 (canonical)"
    ]
    found = await store.pool.fetch("select kind, status from bridges where dst_handle = $1", HANDLE)
    assert {(row["kind"], row["status"]) for row in found} == {
        ("handle_bridged", "unsupported"),
        ("fallback_granted", "unsupported"),
    }
