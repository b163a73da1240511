import contextlib
from typing import Any

import pytest
import recorded
from eth_abi.abi import encode
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain import events
from streams.domain.digest import event_topic
from streams.domain.errors import UndecodableLog
from streams.domain.operations import OPERATIONS

TABLES = {table["topic0"]: table for table in recorded.tables()}
KNOWN = (
    events.EXECUTOR_TOPICS
    | events.ACL_TOPICS
    | events.KMS_TOPICS
    | events.BRIDGE_TOPICS
    | events.INPUT_VERIFICATION_TOPICS
    | events.COMMIT_TOPICS
    | events.CONFIG_TOPICS
    | events.RIGHT_TOPICS
)
OURS = [table for topic, table in TABLES.items() if bytes.fromhex(topic[2:]) in KNOWN]
WORD = st.binary(min_size=32, max_size=32)


def raw(log: dict[str, Any]) -> tuple[tuple[bytes, ...], bytes]:
    topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
    return topics, bytes.fromhex(log["data"].removesuffix(recorded.SHORTENED)[2:])


def recorded_logs() -> list[dict[str, Any]]:
    return [
        log
        for name in recorded.FILES
        for record in recorded.records(name)
        for log in record.get("logs", [])
        if not log["data"].endswith(recorded.SHORTENED)
    ]


def test_every_topic_is_one_of_the_deployed_contracts() -> None:
    assert {f"0x{topic.hex()}" for topic in KNOWN} <= set(TABLES)
    assert len(events.EXECUTOR_TOPICS) == len(OPERATIONS) == 31


@pytest.mark.parametrize("name", recorded.FILES)
def test_every_recorded_log_decodes_to_its_recorded_arguments(name: str) -> None:
    for record in recorded.records(name):
        for log in record.get("logs", []):
            topics, data = raw(log)
            table = TABLES.get(log["topics"][0])
            if table is None or topics[0] not in KNOWN:
                assert events.decode_log(topics, data) is None, log["event"]
            elif log["data"].endswith(recorded.SHORTENED):
                with pytest.raises(UndecodableLog):
                    events.decode_log(topics, data)
            else:
                args = recorded.arguments(table, log["args"])
                assert events.decode_log(topics, data) == recorded.expected(log["event"], args)


def test_recordings_hold_what_a_transfer_and_an_input_emit() -> None:
    kinds = {type(events.decode_log(*raw(log))) for log in recorded_logs()}
    assert kinds >= {
        events.OperationEvent,
        events.InputVerified,
        events.Allowed,
        events.AllowedForDecryption,
        events.VerifyProofRequest,
        events.VerifyProofResponse,
        events.RejectProofResponse,
        events.AddCiphertextMaterial,
        events.AddCiphertextMaterialConsensus,
    }


def test_the_compiler_wrote_every_event_of_a_host_chain_for_us() -> None:
    """Recorded from HeadEvents.sol; that each decodes to its arguments is the test of all recordings."""
    (recording,) = recorded.records("head_events.json")
    logs = [raw(log) for log in recording["logs"]]
    host = events.EXECUTOR_TOPICS | events.ACL_TOPICS | events.KMS_TOPICS | events.BRIDGE_TOPICS
    assert {topics[0] for topics, _ in logs} == host
    assert len(host) == 31 + 7 + 2 + 3
    lists = [events.decode_host_log(*raw(log)) for log in recording["logs"] if log["event"] == "FheSum"]
    assert [len(event.operands) for event in lists if isinstance(event, events.OperationEvent)] == [3, 0, 1]


def test_a_recorded_log_cut_anywhere_is_refused() -> None:
    for log in recorded_logs():
        topics, data = raw(log)
        if events.decode_log(topics, data) is None:
            continue
        for end in {0, 1, len(data) // 2, len(data) - 32, len(data) - 1} & set(range(len(data))):
            with pytest.raises(UndecodableLog):
                events.decode_log(topics, data[:end])


def test_a_recorded_log_with_other_topics_is_refused() -> None:
    for log in recorded_logs():
        topics, data = raw(log)
        if events.decode_log(topics, data) is None:
            continue
        for wrong in (
            (*topics, bytes(32)),
            topics[:-1] or (*topics, b""),
            (*topics[:-1], topics[-1] + b"\0"),
        ):
            if wrong[0] == topics[0]:
                with pytest.raises(UndecodableLog, match="topics"):
                    events.decode_log(wrong, data)


def test_logs_of_others_are_nobodys() -> None:
    assert events.decode_log((), b"") is None
    assert events.decode_log((event_topic("Transfer(address,address,uint256)"), bytes(32)), b"") is None


def test_the_two_chains_do_not_read_each_other() -> None:
    allowed = event_topic("Allowed(address,address,bytes32)")
    rejected = event_topic("RejectProofResponse(uint256)")
    assert events.decode_gateway_log((allowed, bytes(32), bytes(32)), bytes(32)) is None
    assert events.decode_host_log((rejected, bytes(32)), b"") is None
    assert events.decode_gateway_log((rejected, bytes(32)), b"") == events.RejectProofResponse(0)


def value_of(item: dict[str, Any], table: dict[str, Any]) -> st.SearchStrategy[Any]:
    if item["name"] in ("zkProofId", "contractChainId"):
        return st.integers(0, 2**63 - 1)
    return values(item["type"], table)


def values(kind: str, table: dict[str, Any] | None = None) -> st.SearchStrategy[Any]:
    if kind.endswith("[]"):
        return st.lists(values(kind[:-2]), max_size=3).map(tuple)
    if kind.startswith("("):
        return st.tuples(*(values(part) for part in kind[1:-1].split(",")))
    if kind.startswith("uint"):
        return st.integers(0, 2 ** int(kind[4:]) - 1)
    if kind == "bytes1":  # a scalar byte, with the values that every contract takes
        return st.sampled_from([b"\1", b"\3"] if table and table["event"] == "FheMulDiv" else [b"\0", b"\1"])
    sizes = {"address": 20, "bytes": None, "bytes16": 16, "bytes32": 32}
    if kind == "string":
        return st.text(max_size=40)
    size = sizes[kind]
    return st.binary(max_size=100) if size is None else st.binary(min_size=size, max_size=size)


def encoded(table: dict[str, Any], args: dict[str, Any]) -> tuple[tuple[bytes, ...], bytes]:
    kinds = {item["name"]: item["type"] for item in table["inputs"]}
    indexed = [item["name"] for item in table["inputs"] if item["indexed"]]
    topics = [bytes.fromhex(table["topic0"][2:]), *(encode([kinds[name]], [args[name]]) for name in indexed)]
    rest = [name for name in args if name not in indexed]
    return tuple(topics), encode([kinds[name] for name in rest], [args[name] for name in rest])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OURS), st.data())
def test_what_the_reference_encoder_writes_is_read_back(table: dict[str, Any], draw: st.DataObject) -> None:
    args = {item["name"]: draw.draw(value_of(item, table)) for item in table["inputs"]}
    topics, data = encoded(table, args)
    assert events.decode_log(topics, data) == recorded.expected(table["event"], args)
    if data:
        with pytest.raises(UndecodableLog):
            events.decode_log(topics, data[: draw.draw(st.integers(0, len(data) - 1))])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(OURS), st.data())
def test_any_bytes_are_an_event_or_undecodable(table: dict[str, Any], draw: st.DataObject) -> None:
    words = st.lists(st.one_of(WORD, st.integers(0, 300).map(lambda n: n.to_bytes(32, "big"))), max_size=12)
    topics = (bytes.fromhex(table["topic0"][2:]), *draw.draw(st.lists(WORD, max_size=3)))
    data = b"".join(draw.draw(words))
    with contextlib.suppress(UndecodableLog):
        assert events.decode_log(topics, data) is not None


def log_of(signature: str, kinds: list[str], *arguments: object) -> tuple[tuple[bytes, ...], bytes]:
    return (event_topic(signature), bytes(31) + b"\7"), encode(kinds, arguments)


@pytest.mark.parametrize(
    ("scalar", "is_scalar"), [(b"\0", False), (b"\1", True), (b"\2", True)], ids=["encrypted", "plain", "odd"]
)
def test_any_scalar_byte_but_zero_marks_a_plaintext(scalar: bytes, is_scalar: bool) -> None:
    kinds = ["bytes32", "bytes32", "bytes1", "bytes32"]
    topics, data = log_of("FheAdd(address,bytes32,bytes32,bytes1,bytes32)", kinds, b"l", b"r", scalar, b"x")
    event = events.decode_host_log(topics, data)
    assert isinstance(event, events.OperationEvent)
    assert event.is_scalar is is_scalar


@pytest.mark.parametrize("scalar", [b"\0", b"\2", b"\4"])
def test_a_fused_operation_knows_two_scalar_bytes_only(scalar: bytes) -> None:
    kinds = ["bytes32", "bytes32", "bytes32", "bytes1", "bytes32"]
    signature = "FheMulDiv(address,bytes32,bytes32,bytes32,bytes1,bytes32)"
    with pytest.raises(UndecodableLog, match="scalar byte"):
        events.decode_host_log(*log_of(signature, kinds, b"a", b"b", b"c", scalar, b"x"))


def test_an_empty_collection_has_no_operands() -> None:
    event = events.decode_host_log(
        *log_of("FheSum(address,bytes32[],bytes32)", ["bytes32[]", "bytes32"], [], b"r")
    )
    assert event == events.OperationEvent(28, bytes(19) + b"\7", (), False, b"r".ljust(32, b"\0"))


def test_a_list_longer_than_its_data_is_refused_before_it_is_made() -> None:
    topics = (event_topic("AllowedForDecryption(address,bytes32[])"), bytes(32))
    data = (32).to_bytes(32, "big") + (2**60).to_bytes(32, "big")
    with pytest.raises(UndecodableLog, match="elements announced"):
        events.decode_host_log(topics, data)


def test_an_address_with_dirty_upper_bytes_is_refused() -> None:
    topics = (event_topic("BlockedAccount(address)"), b"\1" * 32)
    with pytest.raises(UndecodableLog, match="more than 20 bytes"):
        events.decode_host_log(topics, b"")


def test_a_type_that_is_no_byte_is_refused() -> None:
    topics = (event_topic("Cast(address,bytes32,uint8,bytes32)"), bytes(32))
    with pytest.raises(UndecodableLog, match="more than 1 bytes"):
        events.decode_host_log(topics, bytes(32) + b"\1" * 32 + bytes(32))


def test_a_url_that_is_no_text_is_refused() -> None:
    topics = (event_topic("ActivateCrs(uint256,string[],bytes)"),)
    data = encode(["uint256", "bytes[]", "bytes"], [5, [b"\xff\xfe"], b"digest"])
    with pytest.raises(UndecodableLog, match="UTF-8"):
        events.decode_host_log(topics, data)


def test_a_number_that_no_column_holds_is_refused() -> None:
    topics = (event_topic("RejectProofResponse(uint256)"), (2**63).to_bytes(32, "big"))
    with pytest.raises(UndecodableLog, match="63 bits"):
        events.decode_gateway_log(topics, b"")
    assert events.decode_gateway_log((topics[0], (2**63 - 1).to_bytes(32, "big")), b"") is not None


def test_padding_that_is_not_zero_is_refused() -> None:
    topics = (event_topic("RejectProofResponseCall(uint256,bytes)"), bytes(32))
    data = encode(["bytes"], [b"\0"])
    with pytest.raises(UndecodableLog, match="padding"):
        events.decode_gateway_log(topics, data[:-1] + b"\1")
