from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.devnet import anvil, install, kafka, object_store
from streams.domain.errors import ConfigurationError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cipherstream"


def fill(draft: Path) -> None:
    (draft / "file").write_text("done")


def test_a_pin_depends_on_every_part_and_where_it_ends() -> None:
    assert install.pin(b"a", b"b") == install.pin(b"a", b"b")
    assert (
        len({install.pin(b"a", b"b"), install.pin(b"ab"), install.pin(b"", b"ab"), install.pin(b"b", b"a")})
        == 4
    )


def test_what_exists_is_not_built_again(cache: Path) -> None:
    def fails(draft: Path) -> None:
        raise AssertionError(draft)

    assert install.once(cache / "tool", fill) == cache / "tool"
    install.once(cache / "tool", fails)
    assert (cache / "tool" / "file").read_text() == "done"


def test_a_failed_build_leaves_nothing_and_can_be_repeated(cache: Path) -> None:
    def fails(draft: Path) -> None:
        fill(draft)
        raise ConfigurationError("the network is away")

    with pytest.raises(ConfigurationError, match="network is away"):
        install.once(cache / "tool", fails)
    assert [path.name for path in cache.iterdir()] == [".tool.lock"]
    install.once(cache / "tool", fill)


def test_two_builders_build_once(cache: Path) -> None:
    built: list[Path] = []

    def count(draft: Path) -> None:
        built.append(draft)
        fill(draft)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: install.once(cache / "tool", count), range(4)))
    assert len(built) == 1
    assert set(found) == {cache / "tool"}


def test_a_missing_program_is_named_with_its_purpose() -> None:
    with pytest.raises(ConfigurationError, match=r"no-such-program is not installed.*for the test"):
        install.tool("no-such-program", "the test")


def test_a_failed_program_is_reported_with_the_end_of_its_output(tmp_path: Path) -> None:
    script = "seq 100; echo cannot resolve; exit 4"
    with pytest.raises(
        ConfigurationError, match=r"(?s)fetching failed: sh ended with 4.*cannot resolve"
    ) as error:
        install.execute(["sh", "-c", script], "fetching", tmp_path)
    assert "\n50\n" not in str(error.value)


def test_a_program_gets_its_environment_and_folder(tmp_path: Path) -> None:
    output = install.execute(["sh", "-c", "echo $WORD; pwd"], "asking", tmp_path, {"WORD": "hello"})
    assert output == f"hello\n{tmp_path}\n"


def test_every_missing_program_is_reported_at_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(cache))
    assert install.main() == 1
    report = capsys.readouterr().err
    assert all(f"{name} is not installed" in report for name in ("java", "npm", "go"))


@pytest.mark.parametrize("part", [anvil, object_store])
def test_a_finished_tool_needs_no_program(part: object, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second devnet starts without npm, go or a network."""
    assert isinstance(part, type(anvil))

    def finished(target: Path, build: object) -> Path:
        return target

    monkeypatch.setattr(install, "once", finished)
    monkeypatch.setenv("PATH", str(cache))
    assert cache in part.install().parents


def test_the_pinned_jars_have_a_digest_each() -> None:
    lines = install.resource("maven/kafka/jars.sha256").read_text().splitlines()
    assert all(len(line.split()[0]) == 64 and line.endswith(".jar") for line in lines)
    assert any("kafka_2.13-4.2.2.jar" in line for line in lines)


def test_a_foreign_jar_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mvn = tmp_path / "bin" / "mvn"
    mvn.parent.mkdir()
    mvn.write_text(
        '#!/bin/sh\nfor last; do :; done\necho evil > "${last#-DoutputDirectory=}/kafka_2.13-4.2.2.jar"\n'
    )
    mvn.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mvn.parent}:/usr/bin:/bin")
    with pytest.raises(ConfigurationError, match=r"differ from jars.sha256.*kafka_2.13-4.2.2.jar"):
        kafka.install()
    assert not list(cache.glob("kafka/*/lib"))
