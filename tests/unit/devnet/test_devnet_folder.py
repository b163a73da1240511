"""Deleting a devnet never deletes anything else."""

from pathlib import Path

import pytest

from streams.devnet import stack, up
from streams.devnet.demo import run
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError


async def test_folder_of_somebody_else_is_never_deleted(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years")
    for delete in (
        stack.remove(tmp_path),
        up.down(State(tmp_path), delete=True),
        run.prepare(State(tmp_path)),
    ):
        with pytest.raises(ConfigurationError, match="nothing was deleted"):
            await delete
    assert thesis.read_text() == "years"


def test_who_looks_at_a_folder_leaves_nothing_in_it(tmp_path: Path) -> None:
    assert not any(part.is_running for part in stack.status(tmp_path))
    assert list(tmp_path.iterdir()) == []


async def test_folder_that_a_start_left_behind_is_deleted(tmp_path: Path) -> None:
    root = tmp_path / "devnet"
    (root / "logs").mkdir(parents=True)
    (root / "demo").touch()
    await up.down(State(root), delete=True)
    assert not root.exists()
