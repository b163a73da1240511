"""Derived files are there whole or not at all, and a process that was killed leaves none behind."""

from pathlib import Path

import pytest

from streams.fhe.keyset import drafted


def test_a_draft_that_was_left_behind_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "derived"
    # A kill runs no handlers: the generator is never told.
    killed = drafted(target)
    draft = killed.__enter__()
    (draft / "half").write_bytes(b"half")
    with drafted(target) as draft:
        (draft / "whole").write_bytes(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["derived"]
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), drafted(tmp_path / "derived"):
        raise OSError("full")
    assert list(tmp_path.iterdir()) == []
