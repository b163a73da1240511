import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
COMPILER = "rustc 1.95.0"


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_wheels", ROOT / "tools/build_wheels.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def native(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "native", tmp_path / "native"))


def test_the_hash_of_unchanged_sources_is_stable(wheels: ModuleType, native: Path) -> None:
    for crate in wheels.CRATES:
        assert wheels.wheel_hash(native, crate, COMPILER) == wheels.wheel_hash(
            ROOT / "native", crate, COMPILER
        )


def test_a_change_of_one_crate_rebuilds_that_one(wheels: ModuleType, native: Path) -> None:
    before = {crate: wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}
    source = native / "tfhe/src/lib.rs"
    source.write_text(source.read_text() + "// changed\n")
    after = {crate: wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}
    assert [crate for crate in wheels.CRATES if before[crate] != after[crate]] == ["tfhe"]


@pytest.mark.parametrize("name", ["Cargo.toml", "Cargo.lock"])
def test_the_workspace_rebuilds_all(wheels: ModuleType, native: Path, name: str) -> None:
    before = {wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}
    (native / name).write_text("")
    assert not before & {wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}


@pytest.mark.parametrize(
    ("name", "rebuilt"),
    [
        ("native/kernel/build.rs", {"kernel"}),
        ("native/kernel/.cargo/config.toml", {"kernel"}),
        ("native/.cargo/config.toml", {"tfhe", "client", "kernel"}),
        (".cargo/config", {"tfhe", "client", "kernel"}),
    ],
)
def test_what_cargo_reads_where_it_exists_rebuilds(
    wheels: ModuleType, native: Path, name: str, rebuilt: set[str]
) -> None:
    before = {crate: wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}
    added = native.parent / name
    added.parent.mkdir(exist_ok=True)
    added.write_text("")
    after = {crate: wheels.wheel_hash(native, crate, COMPILER) for crate in wheels.CRATES}
    assert {crate for crate in wheels.CRATES if before[crate] != after[crate]} == rebuilt


def test_another_compiler_rebuilds(wheels: ModuleType, native: Path) -> None:
    assert wheels.wheel_hash(native, "tfhe", "a") != wheels.wheel_hash(native, "tfhe", "b")


def test_a_renamed_source_is_a_change(wheels: ModuleType, native: Path) -> None:
    before = wheels.wheel_hash(native, "kernel", COMPILER)
    (native / "kernel/src/lib.rs").rename(native / "kernel/src/main.rs")
    assert wheels.wheel_hash(native, "kernel", COMPILER) != before


def test_flags_do_not_depend_on_the_machine(wheels: ModuleType) -> None:
    assert "target-cpu" not in wheels.RUSTFLAGS
    assert "--locked" in wheels.MATURIN_FLAGS
    assert "target-cpu=native" not in " ".join(wheels.MATURIN_FLAGS)


def test_a_cached_wheel_is_not_built_again(
    wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "cipherstream/wheels/abc"
    folder.mkdir(parents=True)
    (folder / "cipherstream_kernel.whl").touch()
    assert wheels.build("kernel", Path(sys.executable), "abc") == folder / "cipherstream_kernel.whl"


def test_a_damaged_cache_is_named(
    wheels: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "cipherstream/wheels/abc").mkdir(parents=True)
    with pytest.raises(wheels.BuildError, match="remove it and run again"):
        wheels.build("kernel", Path(sys.executable), "abc")


def test_what_is_not_installed_has_no_origin(wheels: ModuleType) -> None:
    assert wheels.installed(Path(sys.executable), ["never-published"]) == {"never-published": ""}


def test_a_failing_program_is_quoted(wheels: ModuleType) -> None:
    with pytest.raises(wheels.BuildError, match=r"(?s)ended with 3.*complaint"):
        wheels.run([sys.executable, "-c", "import sys; sys.stderr.write('complaint'); sys.exit(3)"])


def test_a_missing_program_is_named(wheels: ModuleType) -> None:
    with pytest.raises(wheels.BuildError, match="no-such-program is not installed"):
        wheels.run(["no-such-program"])


def test_unknown_crates_are_refused(wheels: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        wheels.main(["nonsense"])
    assert "unknown crates: nonsense" in capsys.readouterr().err
