"""Counting TFHE-rs's bootstraps: the counted crate is the wheels', and lines become rows."""

import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from streams.bench import tfhe_rs_counts
from streams.fhe.radix.counts import CLEARS, FOLLOWING_DIGITS

ROOT = Path(__file__).parents[3]
COUNTER = "pbs-stats"


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    """Loaded as it is run: from its own folder."""
    folder = str(ROOT / "tools")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("count_bootstraps", ROOT / "tools/count_bootstraps.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # its dataclass looks itself up
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)
        sys.modules.pop("count_bootstraps", None)
        sys.modules.pop("build_wheels", None)


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "native" / name).read_text())


def locked(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package in toml(name)["package"]:
        found.setdefault(package["name"], set()).add(package["version"])
    return found


def test_the_counted_crate_is_the_one_of_the_wheels_with_its_counter() -> None:
    ours = toml("Cargo.toml")["workspace"]["dependencies"]["tfhe"]
    counted = toml("counts/Cargo.toml")["dependencies"]["tfhe"]
    assert counted == {**ours, "features": [*ours["features"], COUNTER]}


def test_its_dependencies_are_those_of_the_wheels() -> None:
    of_wheels, counted = locked("Cargo.lock"), locked("counts/Cargo.lock")
    differing = {name for name, versions in counted.items() if not versions <= of_wheels.get(name, set())}
    assert differing == {"cipherstream-counts"}


def test_it_is_no_part_of_what_wheels_are_built_from() -> None:
    assert "counts" not in toml("Cargo.toml")["workspace"]["members"]
    assert toml("counts/Cargo.toml")["workspace"] == {}


def test_the_file_is_of_the_locked_crate_and_names_its_command(tool: ModuleType) -> None:
    counts = tfhe_rs_counts.counts()
    assert counts.tfhe == tool.version() == min(locked("counts/Cargo.lock")["tfhe"])
    assert counts.command == tool.COMMAND
    assert (ROOT / counts.command.split()[1]).is_file()
    assert counts.threads == tool.MANY_THREADS


def test_lines_are_rows(tool: ModuleType) -> None:
    found = tool.counted("Add\t8\tencrypted\t7\nAdd\t8\tclear\t6\n", tool.Run(tool.ENCRYPTED, 8, 3))
    assert found == {("Add", 8, "encrypted"): 7, ("Add", 8, "clear"): 6}


def test_a_further_clear_number_has_rows_of_its_own(tool: ModuleType) -> None:
    each = tool.Run(tool.TRIVIAL, 64, 10, "clear 10", ("Mul",))
    assert tool.counted("Mul\t64\tencrypted\t900\nMul\t64\tclear\t100", each) == {
        ("Mul", 64, "clear 10"): 100
    }


def test_the_program_is_asked_for_each_run(tool: ModuleType, tmp_path: Path) -> None:
    """It prints here how it was called: threads as the count of the operation, whose width was asked for."""
    script = tmp_path / "program"
    printed = "print(sys.argv[5], sys.argv[3], 'encrypted', sys.argv[2], sep='\\t')"
    script.write_text(f"#!{sys.executable}\nimport sys\n{printed}\n")
    script.chmod(0o755)
    runs = [tool.Run(tool.ENCRYPTED, bits, 3, operations=("Add",)) for bits in (8, 64)]
    assert tool.all_of(script, runs, 5) == {("Add", 8, "encrypted"): 5, ("Add", 64, "encrypted"): 5}


def test_trivial_ciphertexts_that_take_more_are_told(tool: ModuleType) -> None:
    add, product = ("Add", 8, "encrypted"), ("Mul", 8, "encrypted")
    tool.require_no_less({product: 28}, {add: 8, product: 25})
    with pytest.raises(tool.BuildError, match=r"take more than encrypted ones: .*Add.*8, 9"):
        tool.require_no_less({add: 8}, {add: 9, product: 28})


def test_both_counts_are_of_one_row(tool: ModuleType) -> None:
    key = ("Add", 8, "encrypted")
    (row,) = tool.rows({key: 7}, {key: 9}, {key: 8})
    assert (row.one_thread, row.many_threads, row.fewest, row.is_encrypted) == (8, 9, 8, True)
    (row,) = tool.rows({key: 7}, {key: 9}, {})
    assert (row.one_thread, row.is_encrypted) == (7, False)


def test_all_is_counted_and_much_of_it_on_encrypted_numbers(tool: ModuleType) -> None:
    narrow, wide = tool.encrypted_runs()
    assert (narrow.bits, narrow.operations) == (8, ())
    assert (wide.bits, wide.operations) == (64, tool.SWIFT)
    whole = [run for run in tool.trivial_runs() if not run.operations]
    assert [run.bits for run in whole] == list(tool.WIDTHS)
    further = [run for run in tool.trivial_runs() if run.operations]
    assert [run.clear for run in further] == list(CLEARS)
    assert further[-1].arguments(1) == ["trivial", "1", "64", "1000", *FOLLOWING_DIGITS]


def test_every_operation_of_eight_bits_was_counted_on_encrypted_numbers(tool: ModuleType) -> None:
    rows = tfhe_rs_counts.counts().rows
    assert all(row.is_encrypted for row in rows if row.bits == 8)
    assert {row.operation for row in rows if row.is_encrypted and row.bits == 64} == set(tool.SWIFT)
