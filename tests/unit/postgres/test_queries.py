"""Queries are files: each has a name and a purpose, and those of rows follow the row classes."""

import pytest

from streams.adapters.postgres import queries
from tools import rows_sql


def test_a_file_gives_its_statements_by_name() -> None:
    text = "-- title\n\n-- name: one\n-- Why.\nselect 1;\n\n-- name: two\n-- Because.\nselect\n  2;\n"
    assert queries.parse(text) == {"one": "select 1;", "two": "select\n  2;"}


@pytest.mark.parametrize(
    "text",
    [
        "-- name: one\nselect 1;\n",
        "-- name: one\n-- Why.\nselect 1;\n-- name: one\n-- Why.\nselect 2;\n",
    ],
)
def test_a_query_without_purpose_or_with_a_name_taken_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quer"):
        queries.parse(text)


def test_the_queries_of_rows_are_those_of_the_row_classes() -> None:
    assert queries.parse(rows_sql.render()) == dict(queries.load("rows.sql"))
