"""What sns-worker makes of its settings."""

from pathlib import Path

import pytest

from streams.domain.errors import ConfigurationError
from streams.services import sns_worker
from streams.services.worker import child
from streams.services.worker.child import Policy
from streams.settings import SnsSettings, load_settings

TAIL = ["--kind", "sns", "--fd", "3", "--parent", "1"]


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
    "line", ["schedule_policy = 'guess'", "work_items_batch_size = 0", "s3_max_concurrent_uploads = 0"]
)
def test_a_wrong_setting_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "cipherstream.toml"
    file.write_text(f"[sns]\n{line}\n")
    with pytest.raises(ConfigurationError, match=f"sns.{line.split()[0]}"):
        load_settings(file)
