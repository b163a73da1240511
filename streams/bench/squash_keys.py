"""The key set that squashing is measured on: the one of the known answers, made here where it is missing."""

from streams.bench.report import Report
from streams.bench.squash import CRATE, OURS, Measured, compare
from streams.devnet import client
from streams.domain.operations import FheType
from streams.fhe import engines
from streams.fhe.formats.ciphertext_list import read_number
from streams.fhe.keyset import KeyStore
from streams.fhe.known_answers import SEED
from streams.fhe.suite import ClearValue
from streams.fhe.wave import key_files


def measure(fhe_type: FheType, repeats: int) -> Report:
    """Figures for a number of that type; takes 8 GB of memory."""
    made = client.generate_seeded("tfhe-rs", SEED)
    store = KeyStore()
    files, secret = store.derive(made.keyset_digest), made.client_key.read_bytes()
    samples, decryptor = client.TfheSamples(secret, files), client.TfheDecryptor(secret)
    number = (1 << fhe_type.bits) - 2
    ct64 = samples.encrypt(ClearValue(fhe_type, number))
    storage = key_files.opened(key_files.derived(store.keyset(made.keyset_digest))).storage
    glwes = read_number(ct64).glwes
    suites = {
        OURS: Measured(engines.open_squash("wave", files), lambda: storage.decompress(glwes)),
        # Decrypting a stored number is its decompression, and next to nothing besides.
        CRATE: Measured(engines.open_squash("tfhe-rs", files), lambda: samples.decrypt(ct64)),
    }
    return compare(
        suites,
        (ct64, fhe_type, number),
        lambda ct128, compressed: decryptor.decrypt(ct128, fhe_type, compressed=compressed),
        repeats,
    )
