"""Records of `results.v1` as the state takes them."""

import pytest

from streams.domain.errors import Undecodable
from streams.domain.results import Failed, decode_result, encode_result


def test_what_a_failure_says_fits_a_text_column() -> None:
    said = Failed(item="i", attempt=1, worker="w", category="irrecoverable", error="E", message="a\0b")
    found = decode_result(encode_result(said))
    assert isinstance(found, Failed)
    assert found.message == "a\N{REPLACEMENT CHARACTER}b"


def test_bytes_that_are_no_result_are_refused() -> None:
    with pytest.raises(Undecodable):
        decode_result(b"\xff")
