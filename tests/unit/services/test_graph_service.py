"""What the graph service says when no broker answers as it starts."""

import json
import socket
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from streams.services import graph_service, runtime
from streams.settings import load_settings

sys.exit(runtime.serve("graph", graph_service.run, load_settings()))
"""


def test_a_broker_that_is_away_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        bootstrap = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=tmp_path,
            env={"CIPHERSTREAM_KAFKA__BOOTSTRAP": bootstrap},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    last = json.loads(ended.stderr.splitlines()[-1])
    assert ended.returncode == 1
    assert (last["action"], last["error"]) == ("fatal", "ConfigurationError")
    assert (
        last["event"] == f"no broker answers at {bootstrap}: start it, or name another one as kafka.bootstrap"
    )
