"""What opening a key takes, measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.fhe.keyset import KeyFiles

pytestmark = pytest.mark.fhe

GIB = 1 << 30
PROGRAM = """
import sys
from pathlib import Path
from streams.fhe import engines
from streams.fhe.keyset import KeyFiles
purpose, engine, folder, crs = *sys.argv[1:3], KeyFiles(Path(sys.argv[3])), Path(sys.argv[4])
suite = {
    "compute": lambda: engines.open_compute(engine, folder, 2),
    "proof": lambda: engines.open_proof(engine, folder, crs, 2),
    "squash": lambda: engines.open_squash(engine, folder, 2),
}[purpose]()
suite.lookup_s()
# Not `ru_maxrss`: that one survives an exec, so it would tell how large the test run was.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
"""


@pytest.mark.parametrize(
    ("purpose", "engine", "limit_bytes"),
    [
        ("compute", "tfhe-rs", 1.5 * GIB),
        ("proof", "tfhe-rs", 1.5 * GIB),
        ("squash", "tfhe-rs", 2 * GIB),
        ("compute", "wave", 0.75 * GIB),
        ("squash", "wave", 3 * GIB),
    ],
)
def test_a_worker_stays_within_its_bound(
    files: KeyFiles, crs: Path, purpose: str, engine: str, limit_bytes: float
) -> None:
    command = [sys.executable, "-c", PROGRAM, purpose, engine, files.folder, crs]
    peak_bytes = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert peak_bytes < limit_bytes
