"""What sns-worker makes of its settings."""

from pathlib import Path
from typing import Any

import pytest

from streams.domain.attestation import Format
from streams.domain.errors import ConfigurationError
from streams.domain.results import Ciphertext
from streams.domain.work import SquashWork
from streams.fhe.suite import Tally
from streams.services import sns_worker
from streams.services.worker import child, frames, jobs
from streams.services.worker.child import Policy
from streams.services.worker.service import child_command, slots_of
from streams.settings import EngineSettings, SnsSettings, load_settings

TAIL = ["--kind", "sns", "--fd", "3", "--parent", "1"]
KEY = bytes(32)


class Suite:
    """Squashes nothing, on a GPU that lied once."""

    def lookup_s(self) -> float:
        return 0.01

    def squash(self, ct64: bytes, fhe_type: int, *, compressed: bool = True) -> bytes:
        return ct64

    def tally(self) -> Tally:
        return Tally(known_answers=3, devices_lost=1)


def test_by_default_several_are_squashed_at_a_time_into_compressed_lists() -> None:
    kind = sns_worker.kind_of(SnsSettings())
    chosen = child.arguments([*kind.child_flags, *TAIL])
    assert (kind.slots, kind.requests_max) == (4, 100)
    assert (chosen.policy, chosen.bare) == (Policy.PARALLEL, False)


def test_an_operator_has_one_at_a_time_and_bare_elements() -> None:
    settings = SnsSettings(
        work_items_batch_size=7,
        schedule_policy="sequential",
        enable_compression=False,
        s3_max_concurrent_uploads=9,
    )
    kind = sns_worker.kind_of(settings)
    chosen = child.arguments([*kind.child_flags, *TAIL])
    assert (kind.slots, kind.requests_max) == (7, 9)
    assert (chosen.policy, chosen.bare) == (Policy.SEQUENTIAL, True)


@pytest.mark.parametrize(
    "line", ["schedule_policy = 'guess'", "work_items_batch_size = 65", "s3_max_concurrent_uploads = 0"]
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cipherstream.toml"
    file.write_text(f"[sns]\n{line}\n")
    with pytest.raises(ConfigurationError, match=f"sns.{line.split()[0]}"):
        load_settings(file)


def command(engine: EngineSettings, settings: SnsSettings) -> list[str]:
    """A child's flags, as its parent gives them."""
    return [*child_command(sns_worker.kind_of(settings), engine, 2)[3:], "--fd", "3", "--parent", "1"]


@pytest.mark.parametrize(
    ("engine", "device"),
    [
        (EngineSettings(name="wave"), "cpu"),
        (EngineSettings(name="wave", gpu_enabled=True), "cuda"),
        (EngineSettings(name="wave", device="cuda"), "cuda"),
        (EngineSettings(name="wave", device="concrete"), "cpu"),
        (EngineSettings(), "cpu"),
    ],
)
def test_the_child_opens_its_keys_on_the_device_of_the_settings(
    engine: EngineSettings, device: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = list[Any]()

    def open_squash(*given: Any, device: str) -> Suite:
        opened.append((given[0], device))
        return Suite()

    monkeypatch.setattr(jobs, "open_squash", open_squash)
    made = child.chosen_jobs(child.arguments(command(engine, SnsSettings())))
    made.open_keys(KEY, tmp_path, at_once=True)
    assert opened == [(engine.name, device)]


@pytest.mark.parametrize(
    ("is_compressed", "due"), [(True, Format.COMPRESSED_ON_CPU), (False, Format.UNCOMPRESSED_ON_CPU)]
)
def test_what_a_gpu_squashed_has_the_format_of_the_processor_and_its_questions_count(
    is_compressed: bool, due: Format, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(jobs, "open_squash", lambda *_, device: Suite())
    engine = EngineSettings(name="wave", device="cuda")
    made = child.chosen_jobs(child.arguments(command(engine, SnsSettings(enable_compression=is_compressed))))
    made.open_keys(KEY, tmp_path, at_once=False)
    given = Ciphertext(handle=bytes(32), fhe_type=2, ct64=b"ct64")
    work = SquashWork(item="i", tenant="t", attempt=0, timeout_s=1, key_id=KEY, ciphertext=given)
    assert list(made.run(7, work)) == [frames.Squashing(7, b"ct64", due)]
    assert (made.counts.suites.known_answers, made.counts.suites.devices_lost) == (3, 1)


def test_items_at_a_time_are_those_of_the_settings_on_any_device() -> None:
    for engine in (EngineSettings(name="wave", device="cuda"), EngineSettings(name="wave"), EngineSettings()):
        assert slots_of(sns_worker.kind_of(SnsSettings(work_items_batch_size=3)), engine, 2) == 3
