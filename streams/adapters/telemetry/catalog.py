"""Every metric of every service: one table for the code, `docs/metrics.md`, dashboards and tests.

Names without `cipherstream_` are upstream's, with upstream's type, labels and unit, so that what operators
watch goes on. Those of upstream's names that would never move here are listed with the reason.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]

OWN_PREFIX: Final = "cipherstream_"
_HOST: Final = ("host-listener",)
_GATEWAY: Final = ("gw-listener",)
_GRAPH: Final = ("graph",)
_TFHE: Final = ("tfhe-worker",)
_ZKPROOF: Final = ("zkproof-worker",)
_SNS: Final = ("sns-worker",)
_SENDER: Final = ("transaction-sender",)
_COMPUTE: Final = (*_TFHE, *_ZKPROOF, *_SNS)
_READER: Final = ("group", "topic", "partition")


class Metric(msgspec.Struct, frozen=True):
    """A name with what it counts; a histogram's unit is in its name."""

    name: str
    kind: Kind
    services: tuple[str, ...]
    text: str
    labels: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether upstream does not have it."""
        return self.name.startswith(OWN_PREFIX)


class Absent(msgspec.Struct, frozen=True):
    """Names of upstream that nothing here would move; `signs` are words that no code has while that is so."""

    names: tuple[str, ...]
    reason: str
    signs: tuple[str, ...]


_HOST_METRICS: Final = (
    Metric("host_poller_blocks_processed", "counter", _HOST, "Blocks in the log.", ("chain_id",)),
    Metric(
        "host_poller_rpc_errors", "counter", _HOST, "Steps that the chain's node failed in.", ("chain_id",)
    ),
    Metric(
        "host_poller_db_errors",
        "counter",
        _HOST,
        "Steps in which the log, which has the database's place here, was not to be had.",
        ("chain_id",),
    ),
    Metric(
        "cipherstream_executor_unknown_events",
        "counter",
        _HOST,
        "Events of the executor that this version does not know; their handles are never computed.",
        ("chain_id",),
    ),
    Metric(
        "coprocessor_host_listener_activate_key_success_counter",
        "counter",
        _HOST,
        "Key sets that were downloaded, checked and announced.",
    ),
    Metric(
        "coprocessor_host_listener_activate_key_fail_counter",
        "counter",
        _HOST,
        "Attempts to have a key set that failed.",
    ),
    Metric(
        "coprocessor_host_listener_activate_crs_success_counter",
        "counter",
        _HOST,
        "Reference strings that were downloaded, checked and announced.",
    ),
    Metric(
        "coprocessor_host_listener_activate_crs_fail_counter",
        "counter",
        _HOST,
        "Attempts to have a reference string that failed.",
    ),
    Metric(
        "coprocessor_host_listener_key_digest_mismatch_counter",
        "counter",
        _HOST,
        "Key sets whose bytes are not those of the activation.",
    ),
    Metric(
        "coprocessor_host_listener_crs_digest_mismatch_counter",
        "counter",
        _HOST,
        "Reference strings whose bytes are not those of the activation.",
    ),
    Metric(
        "coprocessor_host_listener_kms_event_decode_fail_counter",
        "counter",
        _HOST,
        "Events of the key contract that do not decode.",
    ),
)
_GATEWAY_METRICS: Final = (
    Metric(
        "coprocessor_gw_listener_verify_proof_success_counter",
        "counter",
        _GATEWAY,
        "Requests that are facts now; again after a reorganisation.",
    ),
    Metric(
        "coprocessor_gw_listener_verify_proof_fail_counter",
        "counter",
        _GATEWAY,
        "Requests that do not decode, or whose fact could not be published.",
    ),
    Metric(
        "coprocessor_gw_listener_get_block_num_success_counter",
        "counter",
        _GATEWAY,
        "Answers to what the newest block is.",
    ),
    Metric(
        "coprocessor_gw_listener_get_block_num_fail_counter",
        "counter",
        _GATEWAY,
        "Times that the node did not say what the newest block is.",
    ),
    Metric(
        "coprocessor_gw_listener_get_logs_success_counter",
        "counter",
        _GATEWAY,
        "Ranges read from the gateway.",
    ),
    Metric(
        "coprocessor_gw_listener_get_logs_fail_counter",
        "counter",
        _GATEWAY,
        "Ranges that the node did not give, or gave of two branches.",
    ),
    Metric("cipherstream_gateway_ranges", "counter", _GATEWAY, "Ranges published.", ("tenant",)),
)
_GRAPH_METRICS: Final = (
    Metric(
        "cipherstream_heavy_records",
        "counter",
        _GRAPH,
        "Records that took too long for a transaction although alone in it; each is given a long one.",
        ("tenant",),
    ),
    Metric(
        "host_listener_slow_lane_marked_chains_total",
        "counter",
        _GRAPH,
        "Components of dependent operations that took the slow lane; the graph decides it, and only where "
        "`[graph] dependent_ops_max_per_chain` is set.",
        ("chain_id",),
    ),
    Metric(
        "coprocessor_gw_listener_verify_proof_replay_counter",
        "counter",
        _GRAPH,
        "Inputs that the gateway accepted against our verdict, and that are verified again.",
    ),
    Metric(
        "coprocessor_gw_listener_drift_detected_counter",
        "counter",
        _GRAPH,
        "Handles for which operators committed different digests.",
    ),
    Metric(
        "coprocessor_gw_listener_consensus_timeout_counter",
        "counter",
        _GRAPH,
        "Handles without a consensus within the time for it.",
    ),
    Metric(
        "coprocessor_gw_listener_missing_submission_counter",
        "counter",
        _GRAPH,
        "Commits that were missing after the grace period.",
    ),
    Metric(
        "coprocessor_gw_listener_consensus_latency_blocks",
        "histogram",
        _GRAPH,
        "From the first commit of a handle to the consensus, in blocks of the gateway.",
    ),
    Metric(
        "coprocessor_gw_listener_post_consensus_completion_blocks",
        "histogram",
        _GRAPH,
        "From the consensus on a handle to the last operator's commit, in blocks of the gateway.",
    ),
    Metric(
        "coprocessor_verify_proof_pending_gauge",
        "gauge",
        _GRAPH,
        "Encrypted inputs whose proof is not verified yet.",
    ),
    Metric("cipherstream_work_ready", "gauge", _GRAPH, "Items that may be claimed.", ("work_class",)),
    Metric(
        "cipherstream_work_delayed",
        "gauge",
        _GRAPH,
        "Items that wait for their next attempt.",
        ("work_class",),
    ),
    Metric("cipherstream_work_in_flight", "gauge", _GRAPH, "Items claimed or dispatched.", ("work_class",)),
    Metric(
        "cipherstream_work_paused",
        "gauge",
        _GRAPH,
        "Items of paused tenants and classes, not in flight.",
        ("work_class",),
    ),
    Metric(
        "coprocessor_add_ciphertext_material_unsent_gauge",
        "gauge",
        _GRAPH,
        "Digests that are not on the gateway yet: those in senders' hands and all that wait behind them.",
    ),
    Metric(
        "coprocessor_verify_proof_resp_unsent_txn_gauge",
        "gauge",
        _GRAPH,
        "Answers to proofs that are not on the gateway yet, all of them.",
    ),
    Metric(
        "cipherstream_allow_handle_unsent_gauge",
        "gauge",
        _GRAPH,
        "Rights that are not on the gateway of an old network yet, all of them.",
    ),
    Metric(
        "cipherstream_alarms",
        "gauge",
        _GRAPH,
        "Alarms, and divergences as `divergence_…`, that no operator acknowledged, over all shards.",
        ("tenant", "kind"),
    ),
    Metric("cipherstream_work_overdue", "gauge", _GRAPH, "Dispatched items that are late.", ("work_class",)),
    Metric(
        "cipherstream_consumer_position",
        "gauge",
        _GRAPH,
        "Offset that a reader of a topic finishes next; each graph process tells all readers.",
        _READER,
    ),
    Metric(
        "cipherstream_consumer_lag_records",
        "gauge",
        _GRAPH,
        "Records that a reader of a topic has not finished.",
        _READER,
    ),
    Metric(
        "cipherstream_consumer_lag_seconds",
        "gauge",
        _GRAPH,
        "For how long the first of them has been seen waiting.",
        _READER,
    ),
    Metric(
        "cipherstream_consumer_cut",
        "gauge",
        _GRAPH,
        "1 when the log no longer holds what its reader needs next.",
        _READER,
    ),
    Metric(
        "cipherstream_consumer_lag_timestamp_seconds",
        "gauge",
        _GRAPH,
        "When this process last looked at the readers, as Unix time.",
    ),
)
_WORKER_METRICS: Final = (
    Metric("coprocessor_work_items_found", "counter", (*_COMPUTE, *_SENDER), "Items taken from the topic."),
    Metric(
        "coprocessor_work_items_processed",
        "counter",
        (*_TFHE, *_ZKPROOF, *_SENDER),
        "Items that ended well.",
    ),
    Metric(
        "cipherstream_work_items_repeated",
        "counter",
        (*_TFHE, *_SNS),
        "Items that came again after they were answered, and were not computed again.",
    ),
    Metric(
        "coprocessor_work_items_errors",
        "counter",
        (*_TFHE, *_ZKPROOF, *_SENDER),
        "Items that failed, and records that could not be used.",
    ),
    Metric("coprocessor_worker_errors", "counter", _COMPUTE, "Children that had to be replaced."),
    Metric("coprocessor_fhe_batch_latency_seconds", "histogram", _TFHE, "Time of one component."),
    Metric("coprocessor_zkverify_op_latency_seconds", "histogram", _ZKPROOF, "Time of one encrypted input."),
    Metric(
        "coprocessor_sns_op_latency_seconds",
        "histogram",
        _SNS,
        "Time of one squashing with its uploads.",
    ),
    Metric("coprocessor_sns_worker_task_execute_success_counter", "counter", _SNS, "Items that ended well."),
    Metric(
        "coprocessor_sns_worker_task_execute_failure_counter",
        "counter",
        _SNS,
        "Items that failed, and records that could not be used.",
    ),
    Metric(
        "coprocessor_sns_worker_aws_upload_success_counter",
        "counter",
        _SNS,
        "Objects that are in the store.",
    ),
    Metric("coprocessor_sns_worker_aws_upload_failure_counter", "counter", _SNS, "Uploads that failed."),
    Metric(
        "coprocessor_sns_worker_uncomplete_tasks_gauge",
        "gauge",
        _SNS,
        "Ciphertexts in this process's hands that are not published yet.",
    ),
    Metric("coprocessor_sns_worker_uncomplete_aws_uploads_gauge", "gauge", _SNS, "Objects on their way."),
)
_ALARM_METRICS: Final = (
    Metric("cipherstream_sender_alarm", "gauge", _SENDER, "1 while this alarm stands.", ("alarm",)),
    Metric(
        "cipherstream_sender_alarms_raised",
        "counter",
        _SENDER,
        "How often this alarm was raised.",
        ("alarm",),
    ),
)

_CACHE_METRICS: Final = (
    Metric(
        "cipherstream_worker_cache_hits",
        "counter",
        _COMPUTE,
        "Keys and operands that were at hand.",
        ("cache",),
    ),
    Metric(
        "cipherstream_worker_cache_misses",
        "counter",
        _COMPUTE,
        "Keys that were loaded, operands that were decompressed.",
        ("cache",),
    ),
    Metric(
        "cipherstream_wave_look_ups",
        "counter",
        _COMPUTE,
        "All bootstraps of the engine `wave`; divided by the next one: how full their batches were.",
    ),
    Metric("cipherstream_wave_places", "counter", _COMPUTE, "Places that those batches had."),
    Metric(
        "cipherstream_wave_known_answers",
        "counter",
        _COMPUTE,
        "Questions with known answers that devices of the engine `wave` were asked.",
    ),
    Metric(
        "cipherstream_wave_devices_lost",
        "counter",
        _COMPUTE,
        "Devices that answered wrongly and were taken out of service: look at the machine.",
    ),
    Metric(
        "cipherstream_sns_backlog",
        "gauge",
        _SNS,
        "Ciphertexts that are squashed and could not be uploaded yet.",
    ),
)

_SENDER_METRICS: Final = (
    Metric(
        "coprocessor_txn_sender_verify_proof_success_counter",
        "counter",
        _SENDER,
        "Answers to proofs that are there.",
    ),
    Metric(
        "coprocessor_txn_sender_verify_proof_fail_counter",
        "counter",
        _SENDER,
        "Attempts to answer a proof that failed.",
    ),
    Metric(
        "coprocessor_txn_sender_add_ciphertext_material_success_counter",
        "counter",
        _SENDER,
        "Commits of digests that are there.",
    ),
    Metric(
        "coprocessor_txn_sender_add_ciphertext_material_fail_counter",
        "counter",
        _SENDER,
        "Attempts to commit digests that failed.",
    ),
    Metric(
        "cipherstream_allow_handle_success_counter",
        "counter",
        _SENDER,
        "Rights that are repeated on the gateway, of an old network.",
    ),
    Metric(
        "cipherstream_allow_handle_fail_counter",
        "counter",
        _SENDER,
        "Attempts to repeat rights on the gateway that failed.",
    ),
    Metric(
        "cipherstream_allow_handle_txn_latency_seconds",
        "histogram",
        _SENDER,
        "From the first sight of the transaction that gives a right to its finality on the gateway.",
    ),
    Metric(
        "cipherstream_add_ciphertext_material_txn_latency_seconds",
        "histogram",
        _SENDER,
        "From the first sight of the host transaction that allows a handle to the finality of its commit; "
        "computing, squashing and every wait are in it.",
    ),
    Metric(
        "coprocessor_zkproof_txn_latency_seconds",
        "histogram",
        _SENDER,
        "From the first sight of a request to verify a proof to the finality of its answer.",
    ),
    Metric(
        "cipherstream_sender_taken_calls_given_up",
        "counter",
        _SENDER,
        "Calls that a reorganisation of the gateway took and that are not made again; look at the log.",
        ("kind",),
    ),
    Metric("cipherstream_sender_item_seconds", "histogram", _SENDER, "Time of one item."),
)
_ALL: Final = (*_HOST, *_GATEWAY, *_GRAPH, *_COMPUTE, *_SENDER)
_COMMON_METRICS: Final = (
    Metric("cipherstream_busy", "gauge", _ALL, "Items in this process's hands right now."),
    Metric(
        "cipherstream_source_errors",
        "counter",
        (*_HOST, *_GATEWAY),
        "Steps to repeat.",
        ("source", "error"),
    ),
    Metric(
        "cipherstream_spans_exported",
        "counter",
        _ALL,
        "Spans that the collector took; with tracing only.",
    ),
    Metric(
        "cipherstream_spans_lost",
        "counter",
        _ALL,
        "Spans that it did not take; with tracing only.",
    ),
)
METRICS: Final = (
    *_HOST_METRICS,
    *_GATEWAY_METRICS,
    *_GRAPH_METRICS,
    *_WORKER_METRICS,
    *_CACHE_METRICS,
    *_SENDER_METRICS,
    *_ALARM_METRICS,
    *_COMMON_METRICS,
)
BY_NAME: Final = {metric.name: metric for metric in METRICS}

ABSENT: Final = (
    Absent(
        ("coprocessor_host_txn_latency_seconds",),
        "It is one time for a whole transaction, at its last digest, and no service here waits for one as a "
        "whole: `cipherstream_add_ciphertext_material_txn_latency_seconds` has each digest's. "
        "In the existing coprocessor nothing completes a host transaction any more; it does not move there.",
        ("host_txn", "transaction_begin"),
    ),
    Absent(
        (
            "host_consumer_blocks_processed",
            "host_consumer_db_errors",
            "host_consumer_blocks_missing",
            "host_consumer_blocks_duplicated",
            "host_consumer_legacy_insert_delay_seconds",
        ),
        "They are of a listener behind another program's broker. Here every listener polls its node; a block "
        "that is told twice changes nothing, one without its parent is a row of `alarms`.",
        ("host_consumer", "HostConsumer"),
    ),
    Absent(
        ("coprocessor_host_listener_protocol_config_event_decode_fail_counter",),
        "No service reads the protocol configuration's events.",
        ("protocol_config", "ProtocolConfig"),
    ),
    Absent(
        (
            "coprocessor_drift_revert_signal_created_counter",
            "coprocessor_drift_revert_signal_success_counter",
            "coprocessor_drift_revert_signal_failure_counter",
            "coprocessor_drift_revert_signal_too_many_attempts_counter",
        ),
        "Nothing is ever reverted automatically.",
        ("revert_signal", "RevertSignal", "drift_revert"),
    ),
    Absent(
        ("coprocessor_work_items_polls", "coprocessor_work_items_notifications"),
        "Workers are handed records by Kafka; they poll no table, and no database wakes them.",
        ("skip locked",),
    ),
    Absent(
        (
            "coprocessor_tfhe_worker_dcid_counter",
            "coprocessor_tfhe_worker_query_work_items_seconds",
            "coprocessor_tfhe_worker_query_acquire_dcid_seconds",
            "coprocessor_tfhe_worker_query_extend_dcid_seconds",
        ),
        "Workers have no database, and no locks on dependence chains are taken.",
        ("dcid",),
    ),
    Absent(
        ("coprocessor_rerand_batch_latency_seconds",),
        "Re-randomising is not timed apart from the component that it belongs to: "
        "`coprocessor_fhe_batch_latency_seconds` has both.",
        ("rerand_seconds", "rerand_batch"),
    ),
    Absent(
        (
            "coprocessor_tfhe_worker_bridge_associated_counter",
            "coprocessor_tfhe_worker_bridge_errors_counter",
            "coprocessor_bridge_unassociated_handles",
        ),
        "Bridged handles are not supported.",
        ("is_associated", "unassociated"),
    ),
)


def absent_names() -> Iterator[str]:
    """Names of upstream that are explained instead of exposed."""
    return (name for group in ABSENT for name in group.names)
