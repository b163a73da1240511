"""The mock cluster inside the client library: a broker whose answers a test can spoil."""

import ctypes
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager

import confluent_kafka

PRODUCE, FETCH, LIST_OFFSETS = 0, 1, 2  # numbers of the requests in Kafka's protocol


class MockBroker:
    """One broker; topics have the partitions that the library gives them."""

    def __init__(self, library: ctypes.CDLL, cluster: ctypes.c_void_p) -> None:
        self._library, self._cluster = library, cluster

    @property
    def bootstrap(self) -> str:
        return self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def create_topic(self, name: str, partitions: int) -> None:
        self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)

    def spoil_produce(self, *codes: int) -> None:
        """The next produce requests are answered by these errors."""
        self._spoil(PRODUCE, codes)

    def spoil_fetch(self, *codes: int) -> None:
        """The next fetch requests are answered by these errors."""
        self._spoil(FETCH, codes)

    def spoil_list_offsets(self, *codes: int) -> None:
        """The next questions for offsets are answered by these errors."""
        self._spoil(LIST_OFFSETS, codes)

    def _spoil(self, request: int, codes: tuple[int, ...]) -> None:
        errors = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), errors
        )

    def down(self) -> None:
        self._library.rd_kafka_mock_broker_set_down(self._cluster, 1)

    def up(self) -> None:
        self._library.rd_kafka_mock_broker_set_up(self._cluster, 1)


@contextmanager
def mock_broker() -> Iterator[MockBroker]:
    """A broker that lives as long as the block."""
    library = _library()
    conf = ctypes.c_void_p(library.rd_kafka_conf_new())
    handle = ctypes.c_void_p(library.rd_kafka_new(0, conf, ctypes.create_string_buffer(512), 512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(handle, 1))
    try:
        yield MockBroker(library, cluster)
    finally:
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(handle)


def _library() -> ctypes.CDLL:
    packages = os.path.dirname(os.path.dirname(confluent_kafka.__file__))
    (path,) = glob.glob(os.path.join(packages, "confluent_kafka.libs", "librdkafka-*.so*"))
    library = ctypes.CDLL(path)
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    return library
