"""The key set that squashing is measured on: the one of the known answers, made here where it is missing."""

from pathlib import Path

from streams.bench.report import Report
from streams.bench.squash import CRATE, OURS, Measured, compare
from streams.devnet import client
from streams.domain.operations import FheType
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.formats.squashed import Squashed, write_list
from streams.fhe.keyset import KeyStore
from streams.fhe.known_answers import SEED
from streams.fhe.suite import ClearValue
from streams.fhe.tfhe_rs import TfheSquash
from streams.fhe.wave import key_files, squash_files
from streams.fhe.wave.squash_unit import SquashUnit


def measure(fhe_type: FheType, repeats: int) -> Report:
    """Figures for a number of that type; takes 8 GB of memory."""
    made = client.generate_seeded("tfhe-rs", SEED)
    store = KeyStore()
    files, secret = store.derive(made.keyset_digest), made.client_key.read_bytes()
    samples, decryptor = client.TfheSamples(secret, files), client.TfheDecryptor(secret)
    number = (1 << fhe_type.bits) - 2
    ct64 = samples.encrypt(ClearValue(fhe_type, number))
    stored, crate = read_number(ct64), TfheSquash.open(files)
    unit = _unit(store.keyset(made.keyset_digest))
    engines = {
        OURS: Measured(
            lambda: unit.storage.decompress(stored.glwes),
            lambda: unit.squash([stored.glwes])[0],
            lambda rows: write_list(Squashed(stored.is_bool, stored.blocks, unit.squashing.pack(rows))),
        ),
        # Decrypting a stored number is its decompression, and next to nothing besides.
        CRATE: Measured(
            lambda: samples.decrypt(ct64), lambda: crate.squash_alone(ct64, fhe_type), crate.compress
        ),
    }
    return compare(engines, fhe_type, number, lambda ct128: decryptor.decrypt(ct128, fhe_type), repeats)


def _unit(keyset: Path) -> SquashUnit:
    """What squashes for an sns-worker on the processor, on one thread."""
    compute = key_files.derived(keyset)
    mapped = squash_files.mapped(squash_files.derived(keyset), compute)
    return SquashUnit("cpu", key_files.opened(compute).storage, squash_files.attached(mapped))
