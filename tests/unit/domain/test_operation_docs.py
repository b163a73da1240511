from pathlib import Path

from streams.domain.operations import OPERATIONS, Kind
from tools import operations_md

PAGE = Path(__file__).parents[3] / "docs" / "fhe-operations.md"


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text() == operations_md.render()


def test_every_operation_has_its_row() -> None:
    rows = [line for line in operations_md.render().splitlines() if line.startswith("| ")][1:]
    computed = [row for row in OPERATIONS if row.kind is not Kind.INPUT]
    assert [line.split(" | ")[0] for line in rows] == [f"| {row.code}" for row in computed]
