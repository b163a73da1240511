"""Opens the suites of a key set by the engine's name; `tfhe-rs` is imported only when it is asked for."""

from pathlib import Path

from streams.fhe import clear
from streams.fhe.keyset import Engine, KeyFiles
from streams.fhe.suite import ComputeSuite, ProofSuite, SquashSuite


def open_compute(engine: Engine, files: KeyFiles, threads: int = 1) -> ComputeSuite:
    """What a tfhe-worker opens; raises KeyMaterialError."""
    if engine == "clear":
        return clear.ClearCompute.open(files, threads)
    from streams.fhe import tfhe_rs

    return tfhe_rs.TfheCompute.open(files, threads)


def open_proof(engine: Engine, files: KeyFiles, crs: Path, threads: int = 1) -> ProofSuite:
    """What a zkproof-worker opens; raises KeyMaterialError."""
    if engine == "clear":
        return clear.ClearProof.open(files, crs, threads)
    from streams.fhe import tfhe_rs

    return tfhe_rs.TfheProof.open(files, crs, threads)


def open_squash(engine: Engine, files: KeyFiles, threads: int = 1) -> SquashSuite:
    """What an sns-worker opens, and nothing else does; raises KeyMaterialError."""
    if engine == "clear":
        return clear.ClearSquash.open(files, threads)
    from streams.fhe import tfhe_rs

    return tfhe_rs.TfheSquash.open(files, threads)
