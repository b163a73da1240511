"""Growth is told by operation: what is large by its name, the rest in the sums."""

from pathlib import Path

from streams.bench.sizes import Sizes, growth, topics_in

BEFORE = Sizes({"handles": 1_000, "tenants": 8_192}, indexes=500, topics={"results.v1": 300}, objects=0)
AFTER = Sizes(
    {"handles": 3_000, "tenants": 8_192, "work_items": 6_000, "blocks": 90},
    indexes=2_500,
    topics={"results.v1": 1_300, "events.v1": 2_000, "control.v1": 10},
    objects=50_000,
)


def test_growth_is_divided_by_the_operations() -> None:
    found = growth(BEFORE, AFTER, 10)
    assert [(figure.name, figure.value) for figure in found] == [
        ("table work_items", 600),
        ("table handles", 200),
        ("all tables", 809),
        ("of these indexes", 200),
        ("topic events.v1", 200),
        ("topic results.v1", 100),
        ("all topics, of one replica", 301),
        ("object store", 5_000),
    ]
    assert {figure.unit for figure in found} == {"bytes/operation"}
    assert not any(figure.is_met for figure in found)


def test_topics_are_the_records_of_all_their_partitions(tmp_path: Path) -> None:
    for partition, name, size in (
        ("work.sns.v1-0", "00000000000000000000.log", 5),
        ("work.sns.v1-0", "00000000000000000007.log", 6),
        ("work.sns.v1-11", "00000000000000000000.log", 7),
        ("work.sns.v1-11", "00000000000000000000.index", 1_000),
        ("__consumer_offsets-0", "00000000000000000000.log", 3),
    ):
        (tmp_path / partition).mkdir(exist_ok=True)
        (tmp_path / partition / name).write_bytes(bytes(size))
    (tmp_path / "meta.properties").touch()
    assert topics_in(tmp_path) == {"work.sns.v1": 18, "__consumer_offsets": 3}
