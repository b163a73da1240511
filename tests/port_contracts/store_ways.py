"""What every Store promises of ways from row to row, which it follows in one query however long they are."""

import itertools
from collections.abc import Iterator

import msgspec
from port_contracts.store import A, B, C, T, handle, member, work, written

from streams.domain import items as kinds
from streams.domain.lifecycle import WorkState
from streams.domain.rows import BlockRow, BlockStatus, GatewayBlockRow, MemberRow, Row, WaitRow
from streams.ports import Store


def output(item: str, handle: bytes) -> MemberRow:
    return msgspec.structs.replace(member(item, handle, 0, ()), is_output=True)


def lacking(*links: tuple[str, bytes, str]) -> Iterator[Row]:
    """Items that wait for a handle, and its row with the item that makes it."""
    for item, name, maker in links:
        yield WaitRow(tenant=T, item=item, token=kinds.stored(name))
        yield msgspec.structs.replace(handle(name, 0), compute_item=maker)


def branch(
    name: str, length: int, *, tenant: str = T, status: BlockStatus = BlockStatus.SIDE
) -> list[BlockRow]:
    """Blocks that follow one another, from number 1 on."""
    hashes = [f"{name}{at}".encode() for at in range(length + 1)]
    return [
        BlockRow(
            tenant=tenant,
            hash=hashes[at],
            parent_hash=hashes[at - 1],
            number=at,
            timestamp=at,
            status=status,
            sequence=at,
        )
        for at in range(1, length + 1)
    ]


class WaysContract:
    """Subclasses give the fixture `store`, empty."""

    async def test_downstream_is_everything_that_waits_however_far(self, store: Store) -> None:
        waits = {"b": kinds.stored(A), "c": kinds.stored(B), "q": kinds.stored(C), "s": kinds.squashed(C)}
        epoch = await written(
            store,
            *(work(name) for name in ("b", "c", "s", "other")),
            work("q", kind=kinds.SQUASH, work_class="sns", subject=C),
            output("b", B),
            output("c", C),
            output("other", A),
            *(WaitRow(tenant=T, item=item, token=token) for item, token in waits.items()),
            WaitRow(tenant="2.bb", item="b", token=kinds.stored(A)),
        )
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.downstream(T, [kinds.stored(A)])) == ["b", "c", "q", "s"]
            assert await tx.downstream(T, [kinds.squashed(C)]) == ["s"]
            assert await tx.downstream(T, [kinds.stored(b"nobody")]) == []

    async def test_downstream_of_a_circle_ends(self, store: Store) -> None:
        waits = [WaitRow(tenant=T, item=name, token=kinds.stored(of)) for name, of in (("b", A), ("c", B))]
        epoch = await written(store, work("b"), work("c"), output("b", B), output("c", A), *waits)
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.downstream(T, [kinds.stored(A)])) == ["b", "c"]

    async def test_upstream_is_what_ended_items_lack_however_far(self, store: Store) -> None:
        """Up to an item that goes on: it is not revived, nor is what that waits for."""
        gone = WorkState.CANCELLED
        epoch = await written(
            store,
            *(work(name, state=state, missing=1) for name, state in (("c", WorkState.DONE), ("b", gone))),
            work("a", state=WorkState.BLOCKED, missing=1),
            work("other", state=gone),
            *lacking(("c", B, "b"), ("b", A, "a"), ("a", C, "other")),
            WaitRow(tenant=T, item="c", token=kinds.KEY_TOKEN),
            WaitRow(tenant=T, item="other", token=kinds.stored(B)),
        )
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.upstream(T, ["c"])) == ["a", "b", "c"]
            assert await tx.upstream(T, ["other"]) == ["other"], "it lacks nothing"
            assert await tx.upstream("2.bb", ["c"]) == ["c"]

    async def test_upstream_of_a_circle_ends(self, store: Store) -> None:
        made = (work(name, state=WorkState.FAILED, missing=1) for name in ("b", "c"))
        epoch = await written(store, *made, *lacking(("b", A, "c"), ("c", B, "b")))
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.upstream(T, ["b"])) == ["b", "c"]

    async def test_ancestors_are_the_blocks_of_a_branch_as_far_as_is_asked(self, store: Store) -> None:
        epoch = await written(store, *branch("a", 5), *branch("b", 3), *branch("a", 2, tenant="2.bb"))
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.ancestors(T, [b"a5"], 3)) == [b"a3", b"a4", b"a5"]
            found = await tx.ancestors(T, [b"a5", b"b2", b"none"], 9)
            assert sorted(found) == [b"a1", b"a2", b"a3", b"a4", b"a5", b"b1", b"b2"]
            assert await tx.ancestors(T, [b"none"], 9) == []

    async def test_ends_of_ranges_lead_to_those_before_them(self, store: Store) -> None:
        numbers = (-1, 0, 4, 5, 9)
        ends = [
            GatewayBlockRow(tenant=tenant, number=number, hash=b"g", previous=previous)
            for tenant in (T, "2.bb")
            for previous, number in itertools.pairwise(numbers)
        ]
        epoch = await written(store, *ends)
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.ends(T, [9], 3)) == [4, 5, 9]
            assert sorted(await tx.ends(T, [5, 7], 9)) == [0, 4, 5]
            assert await tx.ends(T, [7], 9) == []

    async def test_orphans_are_the_blocks_that_wait_however_far(self, store: Store) -> None:
        lost = branch("a", 5, status=BlockStatus.PENDING_PARENT)
        epoch = await written(store, *lost, *branch("b", 3), *branch("c", 2, tenant="2.bb"))
        async with store.begin(0, epoch) as tx:
            assert sorted(await tx.orphans(T, [b"a0"], 9)) == [b"a1", b"a2", b"a3", b"a4", b"a5"]
            assert sorted(await tx.orphans(T, [b"a3", b"b0"], 9)) == [b"a4", b"a5"]
            assert await tx.orphans(T, [b"none"], 9) == []
            assert len(await tx.orphans(T, [b"a0"], 2)) == 2
