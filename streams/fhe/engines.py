"""Opens the suites of a key set by the engine's name; native code is imported only when it is asked for.

The engine `wave` computes and squashes on the key sets of `tfhe-rs`; proofs are those of `tfhe-rs`. A wheel
that is asked for and missing is a ConfigurationError: no later try would find it.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Final

from streams.domain.errors import ConfigurationError
from streams.fhe import clear
from streams.fhe.device_choice import DeviceName
from streams.fhe.keyset import EngineName, KeyFiles
from streams.fhe.suite import ComputeSuite, ProofSuite, SquashSuite
from streams.fhe.wave.reserve import Reserve

_WHEELS: Final = "cipherstream_"  # as the names of all of ours begin


@contextlib.contextmanager
def _found(what: str) -> Generator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(_WHEELS):
            raise
        raise ConfigurationError(f"{what} needs the wheel {error.name}, which is not installed") from error


def open_compute(
    engine: EngineName,
    files: KeyFiles,
    threads: int = 1,
    device: DeviceName = "cpu",
    known_answer_every: int = 0,
    reserve: Reserve | None = None,
) -> ComputeSuite:
    """What a tfhe-worker opens.

    Args:
        engine: by name.
        files: of the key set.
        threads: of one call, or of a device.
        device: only `wave` has a choice.
        known_answer_every: batches of a device of `wave`; 0 means as many as it likes.
        reserve: memory for the values of `wave`, which key sets share; none means no bound.

    Raises:
        KeyMaterialError: the files are not those of a key set.
        ConfigurationError: the device or a wheel is not there.
        DevicesLost: it does not answer rightly.
    """
    if engine == "clear":
        return clear.ClearCompute.open(files, threads)
    if engine == "wave":
        # Imports in functions, on purpose: each needs a native wheel, and the clear engine runs without
        # any.
        with _found(f"the engine wave on the device {device}"):
            from streams.fhe.wave.service import KNOWN_ANSWER_EVERY
            from streams.fhe.wave.suite import WaveCompute

            every = known_answer_every or KNOWN_ANSWER_EVERY
            return WaveCompute.open(files, threads, device, every, reserve)
    with _found("the engine tfhe-rs"):
        from streams.fhe import tfhe_rs

        return tfhe_rs.TfheCompute.open(files, threads)


def release_of(engine: EngineName) -> str:
    """The release of an engine's results, on whose words operators have to agree; empty where it has none."""
    if engine != "wave":
        return ""
    from streams.fhe.wave.suite import RELEASE

    return RELEASE


def open_proof(engine: EngineName, files: KeyFiles, crs: Path, threads: int = 1) -> ProofSuite:
    """What a zkproof-worker opens; raises KeyMaterialError, ConfigurationError."""
    if engine == "clear":
        return clear.ClearProof.open(files, crs, threads)
    # For `wave` too: it computes on the same key set and verifies nothing itself.
    with _found("verifying proofs"):
        from streams.fhe import tfhe_rs

        return tfhe_rs.TfheProof.open(files, crs, threads)


def open_squash(
    engine: EngineName, files: KeyFiles, threads: int = 1, device: DeviceName = "cpu"
) -> SquashSuite:
    """What an sns-worker opens, and nothing else does.

    Args:
        engine: by name.
        files: of the key set.
        threads: of one call on the processor.
        device: only `wave` has a choice: `cuda`, or the processor for any other. It has no setting for known
            answers: a GPU is asked after every batch (`wave/squash_service`).

    Raises:
        KeyMaterialError: the files are not those of a key set.
        ConfigurationError: the device or a wheel is not there, or the device gives other words than the
            processor.
        DeviceExhausted: the keys do not fit on it now.
    """
    if engine == "clear":
        return clear.ClearSquash.open(files, threads)
    if engine == "wave":
        with _found("squashing with the engine wave"):
            from streams.fhe.wave.squash import WaveSquash

            return WaveSquash.open(files, threads, device)
    with _found("the engine tfhe-rs"):
        from streams.fhe import tfhe_rs

        return tfhe_rs.TfheSquash.open(files, threads)
