import hashlib
import json
from pathlib import Path

import pytest

from streams.adapters.ethereum import abi
from streams.devnet import contracts
from streams.domain import events
from streams.domain.digest import event_topic, keccak256

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "contracts"
ARTIFACTS = ROOT / "streams" / "devnet" / "artifacts"
OURS = sorted(path.stem for path in ARTIFACTS.glob("*.json") if path.stem != "sources")
CODE_BYTES_MAX = 24_576  # what a chain takes


def sources_digest() -> str:
    files = {path.name: path for path in (SOURCES / "src").glob("*.sol")}
    files |= {name: SOURCES / name for name in ("build.mjs", "package.json", "package-lock.json")}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name].read_text()}\0".encode())
    return digest.hexdigest()


def signature(item: dict[str, object]) -> str:
    def kind(part: dict[str, object]) -> str:
        components = part.get("components")
        if not isinstance(components, list):
            return str(part["type"])
        return f"({','.join(kind(inner) for inner in components)}){str(part['type']).removeprefix('tuple')}"

    inputs = item["inputs"]
    assert isinstance(inputs, list)
    return f"{item['name']}({','.join(kind(part) for part in inputs)})"


def described(name: str, kind: str) -> set[str]:
    listing = json.loads((ARTIFACTS / f"{name}.json").read_text())["abi"]
    return {signature(item) for item in listing if item["type"] == kind}


def test_artifacts_were_built_from_these_sources() -> None:
    recorded = json.loads((ARTIFACTS / "sources.json").read_text())
    assert recorded["sha256"] == sources_digest(), "run: cd contracts && npm ci && node build.mjs"
    assert recorded["solc"].startswith("0.8.28+")


def test_artifacts_are_reached_from_the_sources_folder() -> None:
    assert (SOURCES / "artifacts").resolve() == ARTIFACTS


@pytest.mark.parametrize("name", OURS)
def test_creation_code_can_be_deployed(name: str) -> None:
    assert 500 < len(contracts.load_bytecode(name)) < CODE_BYTES_MAX


@pytest.mark.parametrize("name", contracts.HOST_ADDRESSES)
def test_host_code_holds_the_addresses_of_its_neighbours(name: str) -> None:
    code = contracts.load_host_code(name)
    assert 1000 < len(code) < CODE_BYTES_MAX
    neighbour = "FHEVMExecutor" if name == "ACL" else "ACL"
    assert contracts.HOST_ADDRESSES[neighbour] in code


@pytest.mark.parametrize(
    ("name", "topics"),
    [
        ("GatewayInputVerification", events.INPUT_VERIFICATION_TOPICS),
        ("GatewayCiphertextCommits", events.COMMIT_TOPICS),
        ("GatewayConfig", events.CONFIG_TOPICS),
        ("GatewayMultichainACL", events.RIGHT_TOPICS),
        ("HeadEvents", events.EXECUTOR_TOPICS | events.ACL_TOPICS | events.BRIDGE_TOPICS | events.KMS_TOPICS),
        ("KMSGenerationStandIn", events.KMS_TOPICS),
    ],
)
def test_stand_ins_emit_every_event_that_is_decoded(name: str, topics: frozenset[bytes]) -> None:
    assert topics <= {event_topic(text) for text in described(name, "event")}


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith("Gateway")])
def test_every_error_of_a_stand_in_has_a_name_here(name: str) -> None:
    known = {f"{shape.name}({','.join(shape.inputs)})" for shape in abi.ERRORS.values()}
    elsewhere = {
        "InvalidShortString()",
        "StringTooLong(string)",
        "OwnableInvalidOwner(address)",
        "NullChainId()",
    }
    registration = {
        "CoprocessorTxSenderAlreadyRegistered(address)",
        "CoprocessorSignerAlreadyRegistered(address)",
    }
    assert described(name, "error") - known <= elsewhere | registration


def test_addresses_follow_from_code_and_arguments_alone() -> None:
    salt_and_code = bytes(32) + keccak256(b"code and arguments")
    made = contracts.create2_address(b"code and arguments")
    assert made == keccak256(b"\xff" + contracts.CREATE2_FACTORY + salt_and_code)[12:]
    assert made != contracts.create2_address(b"code and other arguments")
