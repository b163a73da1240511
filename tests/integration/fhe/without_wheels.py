"""A process in which no compiled wheel can be imported: from a server key's file to a stored sum.

`python without_wheels.py KEYS DIGEST FOLDER`: the folder has `a` and `b`, and gets `sum`.
"""

import json
import os
import resource
import sys
from importlib.util import find_spec
from pathlib import Path
from time import process_time

from streams.domain.errors import ConfigurationError
from streams.domain.operations import BY_NAME, FheType
from streams.fhe import engines
from streams.fhe.keyset import KeyFiles, KeyStore
from streams.fhe.suite import Encrypted
from streams.fhe.wave import word_files
from streams.fhe.wave.on_device import derived_for

WHEELS = ("cipherstream_tfhe", "cipherstream_client", "cipherstream_kernel")
ROOT = Path(__file__).parents[3]
# Read by an interpreter at its start, so by the process that derives too.
BLOCKER = "import sys\nsys.modules |= dict.fromkeys({wheels!r})\n"


def environment(folder: Path) -> dict[str, str]:
    """Of a process that finds none of the wheels."""
    (folder / "sitecustomize.py").write_text(BLOCKER.format(wheels=WHEELS))
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def main(keys: str, digest: str, folder: str) -> None:
    """Prints what was seen, as JSON."""
    store, place = KeyStore(Path(keys)), Path(folder)
    files = store.derive(bytes.fromhex(digest))
    derive_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    words = derived_for("concrete", store.keyset(bytes.fromhex(digest)))
    attach_s = min(_attach_s(words) for _ in range(3))
    suite = engines.open_compute("wave", files, device="concrete")
    operands = [Encrypted(FheType.UINT8, (place / name).read_bytes()) for name in ("a", "b")]
    (place / "sum").write_bytes(suite.execute(BY_NAME["Add"].code, operands, FheType.UINT8))
    seen = {
        "wheels": [name for name in WHEELS if find_spec(name) is not None],
        "lacks": files.lacks(),
        "derive_kib": derive_kib,
        # Not `ru_maxrss`: that one survives an exec, so it would tell how large the test run was.
        "own_kib": int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]),
        "attach_s": attach_s,
        "refusal": _refusal(files),
    }
    sys.stdout.write(json.dumps(seen))


def _refusal(files: KeyFiles) -> str:
    """Of the device that needs the kernel."""
    try:
        engines.open_compute("wave", files, device="cpu")
    except ConfigurationError as error:
        return str(error)
    return ""


def _attach_s(words: Path) -> float:
    begun = process_time()  # not of a clock: other processes of the machine say nothing
    word_files.opened(words)
    return process_time() - begun


if __name__ == "__main__":
    main(*sys.argv[1:])
