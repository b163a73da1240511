"""Deleting a devnet never deletes anything else."""

import os
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
    stack.mark(root)
    (root / "logs").mkdir()
    (root / "demo").touch()
    await up.down(State(root), delete=True)
    assert not root.exists()


@pytest.mark.parametrize("names", [("logs", "run"), ("demo",), ("ports.json", "thesis.tex")])
async def test_a_folder_is_not_ours_for_what_its_files_are_called(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (tmp_path / name).write_text("years")
    with pytest.raises(ConfigurationError, match="nothing was deleted"):
        await stack.remove(tmp_path)
    assert set(os.listdir(tmp_path)) == set(names)


async def test_a_devnet_in_the_folder_of_somebody_else_does_not_make_it_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years")
    await stack.start(tmp_path, parts=())
    with pytest.raises(ConfigurationError, match="or it was not empty"):
        await stack.remove(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


async def test_a_devnet_in_a_folder_of_its_own_is_deleted_with_it(tmp_path: Path) -> None:
    for root in (tmp_path / "new", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        await up.down(State(root))  # before there is one
        await stack.start(root, parts=())
        await stack.remove(root)
        assert not root.exists()
