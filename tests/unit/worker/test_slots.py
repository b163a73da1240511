"""How many threads a worker has: those asked for, else as many as the bound and the cores allow."""

from pathlib import Path

import pytest

from streams.fhe.visible_gpus import visible_gpus
from streams.fhe.wave.decompressed import CACHE_BYTES_MAX
from streams.services.sns_worker import kind_of
from streams.services.tfhe_worker import KIND as COMPUTES
from streams.services.worker import child, service
from streams.services.worker.service import (
    GPU_MEMORY_BYTES,
    Kind,
    child_command,
    crowd_of,
    memory_of,
    slots_of,
    threads_of,
)
from streams.settings import EngineSettings, SnsSettings

SQUASHES = kind_of(SnsSettings())
ON_GPUS = EngineSettings(name="wave", device="cuda")


@pytest.mark.parametrize(
    ("engine", "cores", "slots"),
    [
        (EngineSettings(), 8, 8),
        (EngineSettings(), 96, 32),
        (EngineSettings(coprocessor_fhe_threads=4), 8, 4),
        (EngineSettings(workers=48), 8, 48),
        (EngineSettings(workers=200), 8, 64),
    ],
)
def test_threads_of_a_worker(engine: EngineSettings, cores: int, slots: int) -> None:
    assert threads_of(engine, cores, 64) == slots


@pytest.mark.parametrize(
    ("kind", "engine", "slots"),
    [
        (COMPUTES, EngineSettings(), 2),
        (COMPUTES, EngineSettings(name="wave"), 16),
        (COMPUTES, EngineSettings(name="wave", window=5), 5),
        (COMPUTES, EngineSettings(name="clear", window=5), 2),
        (COMPUTES, ON_GPUS, 256),
        (COMPUTES, EngineSettings(name="wave", gpu_enabled=True, window=40), 40),
        (COMPUTES, EngineSettings(name="tfhe-rs", window=40), 2),
        (Kind("zkproof", memory_bytes_max=1), EngineSettings(name="wave"), 2),
        (SQUASHES, EngineSettings(name="wave"), 4),
        (SQUASHES, EngineSettings(), 4),
        (SQUASHES, ON_GPUS, 32),
        (kind_of(SnsSettings(work_items_batch_size=7)), EngineSettings(name="wave"), 7),
        (kind_of(SnsSettings(work_items_batch_size=7)), ON_GPUS, 7),
    ],
)
def test_items_at_a_time(
    kind: Kind, engine: EngineSettings, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "visible_gpus", lambda: 1)
    assert slots_of(kind, engine, threads=2) == slots


@pytest.mark.parametrize(("gpus", "window", "squashes"), [(2, 512, 64), (3, 768, 64), (8, 1024, 64)])
def test_each_gpu_has_its_items_up_to_what_may_be_set(
    gpus: int, window: int, squashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "visible_gpus", lambda: gpus)
    assert slots_of(COMPUTES, ON_GPUS, threads=2) == EngineSettings(window=window).window
    given = SnsSettings(work_items_batch_size=squashes)
    assert slots_of(SQUASHES, ON_GPUS, threads=2) == given.work_items_batch_size
    chosen = child.arguments([*child_command(COMPUTES, ON_GPUS, 2)[3:], "--fd", "3", "--parent", "1"])
    assert chosen.slots == window
    assert slots_of(COMPUTES, EngineSettings(name="wave"), threads=2) == 16


@pytest.mark.parametrize(("gpus", "squashes"), [(1, 16), (2, 16), (8, 4)])
def test_an_item_has_no_more_time_for_gpus_beside_its_own(
    gpus: int, squashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "visible_gpus", lambda: gpus)
    crowds = [crowd_of(COMPUTES, EngineSettings(name="wave"), 2)]
    crowds += [crowd_of(kind, ON_GPUS, 2) for kind in (COMPUTES, SQUASHES)]
    assert crowds == [8, 128 if gpus < 8 else 64, squashes]


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (None, 3),
        ("1", 1),
        ("0, 2", 2),
        ("GPU-8932f937,GPU-1c2d", 2),
        ("0,-1,1", 1),
        ("0,1,2,3", 3),
        ("", 1),
        ("-1", 1),
    ],
)
def test_gpus_are_counted_as_the_driver_shows_them(chosen: str | None, count: int, tmp_path: Path) -> None:
    for name in ("0000:17:00.0", "0000:65:00.0", "0000:ca:00.0"):
        (tmp_path / name).mkdir()
    variables = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    assert visible_gpus(variables, tmp_path) == count
    assert visible_gpus(variables, tmp_path / "none") == 1


def test_operators_are_told_what_a_child_may_take_and_keep() -> None:
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text()
    computes, squashes = (kind.memory_bytes_max / 1e9 for kind in (COMPUTES, SQUASHES))
    bounds = f"{computes:g} GB, one that squashes {squashes:g} GB, on GPUs {GPU_MEMORY_BYTES >> 30} GiB more"
    assert f"A child may take {bounds}" in page
    assert f"with `tfhe-rs` and {CACHE_BYTES_MAX >> 20} with `wave`" in page


def test_a_child_with_gpus_may_take_what_cuda_takes() -> None:
    wave = EngineSettings(name="wave")
    assert memory_of(COMPUTES, wave) == COMPUTES.memory_bytes_max
    assert memory_of(COMPUTES, ON_GPUS) == COMPUTES.memory_bytes_max + GPU_MEMORY_BYTES
    assert memory_of(COMPUTES, EngineSettings(name="wave", device="cuda", memory_mib=100)) == 100 << 20
