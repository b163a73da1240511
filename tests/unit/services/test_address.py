"""The files by which a supervisor finds services."""

from pathlib import Path

import pytest

from streams.services.address import Address, leave, names, read

FIRST, SECOND = Address(pid=1, http_port=2), Address(pid=3, http_port=4)


def test_the_last_word_of_a_process_counts(tmp_path: Path) -> None:
    leave(tmp_path, "graph", FIRST)
    leave(tmp_path, "graph", SECOND)
    assert read(tmp_path, "graph") == SECOND


def test_names_are_those_of_whole_files(tmp_path: Path) -> None:
    assert list(names(tmp_path)) == []
    for name in ("sns-worker", "graph"):
        leave(tmp_path, name, FIRST)
    (tmp_path / "services" / ".zkproof-worker.17").write_text("{")  # of one that was killed as it wrote
    assert list(names(tmp_path)) == ["graph", "sns-worker"]


def test_who_never_ran_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path, "graph")
