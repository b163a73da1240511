"""What each server keeps and how it is told, without starting one."""

import base64
import os
import stat
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from streams.devnet import anvil, kafka, object_store, postgres, stack
from streams.domain.errors import ConfigurationError

CHOSEN = {
    "kafka": 1001,
    "kafka_controller": 1002,
    "postgres": 1003,
    "object_store": 1004,
    "host": 1005,
    "gateway": 1006,
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_addresses_are_loopback_ones() -> None:
    assert kafka.bootstrap(CHOSEN) == "127.0.0.1:1001"
    assert object_store.endpoint(CHOSEN) == "http://127.0.0.1:1004"
    assert anvil.http_url(anvil.HOST, CHOSEN) == "http://127.0.0.1:1005"
    assert anvil.ws_url(anvil.GATEWAY, CHOSEN) == "ws://127.0.0.1:1006"


def test_the_chains_have_the_conventional_ids() -> None:
    assert [(chain.name, chain.chain_id) for chain in anvil.CHAINS] == [("host", 12345), ("gateway", 54321)]


def test_object_store_credentials_are_made_once_and_kept_private(tmp_path: Path) -> None:
    made = object_store.credentials(tmp_path)
    assert object_store.credentials(tmp_path) == made
    assert mode(tmp_path / "object-store.json") == 0o600


def test_the_database_password_is_made_once_and_kept_private(tmp_path: Path) -> None:
    url = postgres.url(tmp_path, CHOSEN)
    assert postgres.url(tmp_path, CHOSEN) == url
    assert url.endswith("@127.0.0.1:1003/cipherstream")
    assert mode(tmp_path / "postgres-password") == 0o600


def test_the_sender_has_a_role_and_a_password_of_its_own(tmp_path: Path) -> None:
    url, own = urlsplit(postgres.url(tmp_path, CHOSEN)), urlsplit(postgres.sender_url(tmp_path, CHOSEN))
    assert (own.hostname, own.port, own.path) == (url.hostname, url.port, url.path)
    assert own.username == postgres.SENDER != url.username
    assert own.password != url.password
    assert mode(tmp_path / f"postgres-password-{postgres.SENDER}") == 0o600


def test_secrets_have_no_readable_form(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(
        '{"kafka":1001,"postgres":1003,"object_store":1004,"host":1,"gateway":2}'
    )
    found = stack.describe(tmp_path)
    password = (tmp_path / "postgres-password").read_text()
    shown = f"{found!r} {found} {found.s3_credentials!r} {found.s3_credentials}"
    assert found.s3_credentials.secret_key not in shown
    assert password not in shown
    assert (tmp_path / f"postgres-password-{postgres.SENDER}").read_text() not in shown


def test_two_devnets_have_other_secrets(tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    assert object_store.credentials(one).secret_key != object_store.credentials(two).secret_key
    assert postgres.url(one, CHOSEN) != postgres.url(two, CHOSEN)


def test_a_devnet_that_never_started_has_no_description(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no devnet"):
        stack.describe(tmp_path)
    assert stack.status(tmp_path / "nowhere") == ()


async def test_an_unknown_part_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no part.*minio.*kafka, postgres"):
        await stack.start(tmp_path / "state", ("kafka", "minio"))
    assert not (tmp_path / "state").exists()


def template(folder: Path) -> Path:
    folder.mkdir()
    (folder / "meta.properties").write_text("#\nversion=1\ncluster.id=template\nnode.id=1\n")
    (folder / "bootstrap.checkpoint").write_bytes(b"\x00records")
    return folder


def test_each_broker_is_a_cluster_of_its_own(tmp_path: Path) -> None:
    source = template(tmp_path / "template")
    for name in ("one", "two"):
        kafka.lay_out(tmp_path / name, source, CHOSEN)
    one, two = (
        (tmp_path / name / "data/meta.properties").read_text().splitlines() for name in ("one", "two")
    )
    assert one[2] != two[2] != "cluster.id=template"
    assert [one[1], one[3]] == ["version=1", "node.id=1"]
    assert (tmp_path / "one/data/bootstrap.checkpoint").read_bytes() == b"\x00records"


def test_a_cluster_is_never_named_like_an_option_of_the_storage_tool() -> None:
    option_like, harmless = (UUID(bytes=bytes((first,)) + bytes(15)) for first in (0xF8, 0x00))
    assert base64.urlsafe_b64encode(option_like.bytes).startswith(b"-")
    given = iter((option_like, option_like, harmless))
    assert kafka.cluster_id(lambda: next(given)) == "A" * 22


def test_a_restarted_broker_keeps_its_data_and_takes_its_new_ports(tmp_path: Path) -> None:
    source = template(tmp_path / "template")
    kafka.lay_out(tmp_path / "state", source, CHOSEN)
    (tmp_path / "state/data/meta.properties").write_text("ours")
    kafka.lay_out(tmp_path / "state", source, {**CHOSEN, "kafka": 2001})
    assert (tmp_path / "state/data/meta.properties").read_text() == "ours"
    assert "PLAINTEXT://127.0.0.1:2001" in (tmp_path / "state/server.properties").read_text()


def test_a_whole_dump_of_a_chain_is_kept_as_the_last_good_one(tmp_path: Path) -> None:
    dump = tmp_path / "host.json"
    dump.write_text('{"block": 1}')
    anvil.drop_torn(dump)
    assert dump.read_text() == (tmp_path / "host.last-good").read_text() == '{"block": 1}'


def test_a_torn_dump_of_a_chain_gives_way_to_the_last_good_one(tmp_path: Path) -> None:
    dump = tmp_path / "host.json"
    dump.write_text('{"block": 1}')
    anvil.drop_torn(dump)
    dump.write_text('{"block": 2, "acc')
    anvil.drop_torn(dump)
    assert dump.read_text() == '{"block": 1}'
    assert (tmp_path / "host.torn").exists()


@pytest.mark.parametrize("content", ["", "{"])
def test_a_chain_without_a_good_dump_starts_empty(tmp_path: Path, content: str) -> None:
    dump = tmp_path / "host.json"
    anvil.drop_torn(dump)
    dump.write_text(content)
    anvil.drop_torn(dump)
    assert not dump.exists()


def test_a_folder_below_a_closed_one_is_not_open_to_all(tmp_path: Path) -> None:
    inner = tmp_path / "home" / "checkout"
    inner.mkdir(parents=True)
    os.chmod(tmp_path / "home", 0o700)
    assert not postgres.is_open_to_all(inner)
    assert postgres.is_open_to_all(Path("/usr/bin"))


def test_data_elsewhere_are_found_again_and_removed(tmp_path: Path) -> None:
    state, elsewhere = tmp_path / "state", tmp_path / "elsewhere"
    for folder in (state, elsewhere):
        folder.mkdir()
    (state / "postgres-elsewhere").write_text(str(elsewhere))
    assert postgres.existing_home(state) == elsewhere
    postgres.remove(state)
    assert not elsewhere.exists()
    assert postgres.existing_home(state) == state / "postgres"
