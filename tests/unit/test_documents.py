"""Documents that say what the code says."""

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
from pydantic.fields import FieldInfo

from streams import settings
from streams.bench.report import Run
from streams.commands import services
from streams.domain.features import Feature
from streams.services.crashpoints import POINTS

ROOT = Path(__file__).parents[2]
KILL_POINTS = ROOT / "docs" / "kill-points.md"


def test_every_kill_point_is_in_the_table_with_its_meaning() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| .+? \|$", KILL_POINTS.read_text(), re.MULTILINE)
    assert dict(rows) == POINTS


def test_every_test_that_the_table_names_exists() -> None:
    named = set(re.findall(r"tests/[\w/]+\.py", KILL_POINTS.read_text()))
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_service_is_in_the_operator_s_table() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in services.available() if name not in text] == []


def test_variables_of_the_operator_s_page_are_read() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    sections = {name.upper() for name in settings.Settings.model_fields}
    assert set(re.findall(r"CIPHERSTREAM_([A-Z]+)__", text)) <= sections


def _known_settings() -> list[tuple[str, str, str, str]]:
    """Section, key, default and reader of each line of the table of settings with another name elsewhere."""
    row = r"^\| `[^`]+` \| `(\w+)\.(\w+)` \| (\S+) \| `(\S+)` \| .+ \|$"
    return re.findall(row, (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)


def test_settings_of_the_existing_operators_have_the_defaults_of_the_table() -> None:
    told = {(section, key): default for section, key, default, _ in _known_settings()}
    assert told == {(section, key): str(_fields(section)[key].default) for section, key in told}
    for whole in ("graph", "zkproof"):
        assert {key for section, key in told if section == whole} == set(_fields(whole))


def _fields(section: str) -> Mapping[str, FieldInfo]:
    """Fields of a section by their names."""
    of_lists = {"host_chain": settings.HostChainSettings}
    kind = of_lists.get(section) or settings.Settings.model_fields[section].annotation
    assert isinstance(kind, type)
    assert issubclass(kind, settings.Section)
    return kind.model_fields


def test_the_code_that_the_table_names_reads_the_setting() -> None:
    unread = [key for _, key, _, path in _known_settings() if f".{key}" not in (ROOT / path).read_text()]
    assert unread == []


def test_a_setting_of_theirs_is_either_there_or_said_to_have_no_meaning() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`--.+?) \|", text, re.MULTILINE)
    flags = [flag for row in rows for flag in re.findall(r"`(--[\w-]+)", row)]
    assert len(flags) == len(set(flags)) > 40


def test_every_feature_is_told_to_operators() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [feature for feature in Feature if f"`{feature}` (on" not in text] == []


def test_sizes_of_the_operator_s_page_are_those_measured() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text[text.index("### Sizes") : text.index("### Doctor")]
    run = msgspec.json.decode((ROOT / "benchmarks" / "results" / "sizes.json").read_bytes(), type=Run)
    measured = {figure.name: f"{round(figure.value):,}" for figure in run.reports[0].figures}
    left = {
        kind: told for name, told in measured.items() for kind in re.findall(r"^(?:table|topic) (.+)", name)
    }
    values = {
        name: (measured[f"ct64 of {name}"], measured[f"ct128 of {name}"])
        for name in re.findall(r"ct64 of (\w+)", " ".join(measured))
    }
    assert dict(re.findall(r"^\| `([a-z][\w.]*)` \| ([\d,]+) \|", section, re.MULTILINE)) == left
    rows = re.findall(r"^\| `([A-Z]\w*)` \| ([\d,]+) \| ([\d,]+) \|$", section, re.MULTILINE)
    assert {name: tuple(sizes) for name, *sizes in rows} == values
    assert f" {run.reports[0].setting['operations']:,} operations" in section
    for name in ("all tables", "of these indexes", "object store"):
        assert re.search(rf" {measured[name]}\b", section)
