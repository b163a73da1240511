"""A process sends its spans before it ends, and starts without a collector."""

import os
import subprocess
import sys

import pytest
from otlp_receiver import receiving

from streams.services.runtime import surroundings
from streams.settings import Settings, TracingSettings

PROGRAM = """
import sys
from streams.adapters.telemetry import otlp
from streams.messages import trace
from streams.services import runtime
from streams.settings import load_settings

async def short(rt):
    with rt.tracing.span("step", trace.new_trace("event"), None):
        pass

otlp.OtlpSpans.__init__.__kwdefaults__.update(request_s=60.0, close_s=60.0)  # of a slow machine
sys.exit(runtime.serve("probe", short, load_settings()))
"""


@pytest.mark.parametrize("variable", ["CIPHERSTREAM_TRACING__ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"])
def test_a_process_that_ends_has_sent_its_spans(variable: str, tmp_path: object) -> None:
    with receiving() as receiver:
        environment = {**os.environ, variable: receiver.endpoint}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, cwd=str(tmp_path), check=False
        )
    assert done.returncode == 0
    assert [(span.service, span.name) for span in receiver.spans] == [("probe", "step")]


def test_a_service_is_traced_only_where_a_collector_is_named() -> None:
    assert not surroundings("graph", Settings()).tracing.is_on
    with receiving() as receiver:
        named = Settings(tracing=TracingSettings(endpoint=receiver.endpoint))
        found = surroundings("graph", named)
        assert found.tracing.is_on
        found.tracing.close()
