"""Client side of both engines: key generation, encryption with proof, decryption by a single party.

The only module that touches a client key. No service and nothing under `streams/fhe` imports it; the secret
lives in a folder that no service is given.
"""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import cipherstream_client as native
import msgspec

from streams.domain.errors import ConfigurationError, OperationError
from streams.fhe import clear
from streams.fhe.key_objects import CLEAR_MAGIC
from streams.fhe.keyset import CLIENT_KEY, SECRETS, Engine, KeyFiles, KeyStore, cache_root
from streams.fhe.suite import ClearValue, Decryptor, Encryptor
from streams.ports import Entropy

SEED_BYTES: Final = 32

_CRS_SEED_TAG: Final = b"crs"
_SECRET_FOLDER_MODE: Final = 0o700
_SECRET_FILE_MODE: Final = 0o600


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh key set: digests of the public parts and where the secret is."""

    engine: Engine
    keyset_digest: bytes
    crs_digest: bytes
    secrets: str
    public_digest: bytes = b""  # of the public key beside a server key

    @property
    def client_key(self) -> Path:
        return Path(self.secrets, CLIENT_KEY)


def generate(
    engine: Engine, seed: bytes, secrets: Path, store: KeyStore, *, has_server_key: bool = False
) -> Generated:
    """Makes key set, reference string and client key of a seed; what exists is kept.

    Takes 25-90 s for `tfhe-rs`, once: the secret folder remembers which digests belong to it.

    Args:
        seed: 32 unpredictable bytes; the same seed gives the same keys, so it is as secret as they are.
        secrets: folder for the client key, readable by its owner only.
        has_server_key: of `tfhe-rs`, a `CompressedServerKey` and a public key, not one object with both.

    Raises:
        ConfigurationError: the seed has another length.
    """
    if len(seed) != SEED_BYTES:
        raise ConfigurationError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    record = secrets / "generated.json"
    if record.exists():
        found = msgspec.json.decode(record.read_bytes(), type=Generated)
        if _is_whole(found, store):
            return found
    secrets.mkdir(parents=True, exist_ok=True, mode=_SECRET_FOLDER_MODE)
    with tempfile.TemporaryDirectory(prefix="cipherstream-keys-") as folder:
        keyset, crs, public = (Path(folder, name) for name in ("keyset", "crs", "public_key"))
        if has_server_key:
            client_key = native.generate_server_key(seed, keyset, public)
            crs.write_bytes(native.generate_crs(_crs_seed(seed)))
        else:
            client_key = _generate_into(engine, seed, keyset, crs)
        _write_secret(secrets / CLIENT_KEY, client_key)
        keyset_digest = store.add_keyset(keyset)
        generated = Generated(
            engine=engine,
            keyset_digest=keyset_digest,
            crs_digest=store.add_crs(crs),
            secrets=str(secrets),
            public_digest=store.add_public_key(keyset_digest, public) if has_server_key else b"",
        )
    record.write_bytes(msgspec.json.encode(generated))
    return generated


def generate_seeded(
    engine: Engine, seed: bytes, store: KeyStore | None = None, *, has_server_key: bool = False
) -> Generated:
    """The key set of a published seed, for tests and known answers, in the user's cache."""
    kind = f"{engine}-server-key" if has_server_key else engine
    secrets = cache_root() / SECRETS / f"{kind}-{hashlib.sha256(seed).hexdigest()[:16]}"
    return generate(engine, seed, secrets, store or KeyStore(), has_server_key=has_server_key)


def _is_whole(found: Generated, store: KeyStore) -> bool:
    files = [store.keyset(found.keyset_digest), store.crs(found.crs_digest)]
    if found.public_digest:
        files.append(store.public_key(found.keyset_digest))
    return all(file.exists() for file in files)


def _generate_into(engine: Engine, seed: bytes, keyset: Path, crs: Path) -> bytes:
    crs_seed = _crs_seed(seed)
    if engine == "clear":
        keyset.write_bytes(CLEAR_MAGIC + hashlib.sha256(seed).digest())
        crs.write_bytes(CLEAR_MAGIC + crs_seed)
        return CLEAR_MAGIC + seed
    client_key = native.generate(seed, keyset)
    crs.write_bytes(native.generate_crs(crs_seed))
    return client_key


def _crs_seed(seed: bytes) -> bytes:
    return hashlib.sha256(_CRS_SEED_TAG + seed).digest()


def _write_secret(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _SECRET_FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def open_encryptor(engine: Engine, files: KeyFiles, crs: Path, entropy: Entropy) -> Encryptor:
    """Encrypts for the key set of these files."""
    if engine == "clear":
        return ClearEncryptor(entropy)
    return TfheEncryptor.open(files.public, crs)


def engine_of(client_key: Path) -> Engine:
    """Whose client key that is, by its first bytes."""
    with client_key.open("rb") as file:
        return "clear" if file.read(len(CLEAR_MAGIC)) == CLEAR_MAGIC else "tfhe-rs"


def open_decryptor(engine: Engine, client_key: Path) -> Decryptor:
    """Decrypts with the client key of this file."""
    return ClearDecryptor() if engine == "clear" else TfheDecryptor(client_key.read_bytes())


def decrypt_stored(engine: Engine, client_key: Path, files: KeyFiles, ct64: bytes, fhe_type: int) -> int:
    """The clear value of a ct64, which nobody but the holder of the client key can read.

    Raises: OperationError when it does not decode or has another type.
    """
    if engine == "clear":
        return clear.decode(clear.STORED, ct64, fhe_type)
    found = TfheSamples(client_key.read_bytes(), files).decrypt(ct64)
    if found.fhe_type != fhe_type:
        raise OperationError(f"a value of type {found.fhe_type}, expected {fhe_type}")
    return found.value


class TfheEncryptor:
    """Encrypts and proves with the public key; holds no secret."""

    def __init__(self, prover: native.Prover) -> None:
        self._prover = prover

    @classmethod
    def open(cls, public: Path, crs: Path) -> Self:
        """Loads public key and reference string."""
        return cls(native.Prover.open(public, crs))

    def prove(self, values: Sequence[ClearValue], auxiliary: bytes) -> bytes:
        """A proven list, bound to the auxiliary data."""
        return self._prover.prove(_crossing(values), auxiliary)

    def prove_flawed(self, values: Sequence[ClearValue], auxiliary: bytes, flaw: str) -> bytes:
        """A list to be refused: `load-proof`, `unpacked` or `old-hash`."""
        return self._prover.prove_flawed(_crossing(values), auxiliary, flaw)


class TfheDecryptor:
    """Opens squashed ciphertexts; needs the client key and nothing else."""

    def __init__(self, client_key: bytes) -> None:
        self._key = native.ClientKey(client_key)

    def decrypt(self, ct128: bytes, fhe_type: int, *, compressed: bool = True) -> int:
        """The clear value; raises OperationError when it does not decode."""
        try:
            return int.from_bytes(self._key.decrypt_ct128(ct128, fhe_type, compressed), "big")
        except native.ClientError as error:
            raise OperationError(f"the ct128 does not decrypt: {error}") from error


class TfheSamples:
    """Stored ciphertexts from clear values and back; the compute key does the compression."""

    def __init__(self, client_key: bytes, files: KeyFiles) -> None:
        self._key = native.SampleKey.open(client_key, files.compute)

    def encrypt(self, clear_value: ClearValue) -> bytes:
        """The ct64 of a clear value."""
        return self._key.encrypt_ct64(clear_value.fhe_type, clear_value.value.to_bytes(32, "big"))

    def decrypt(self, ct64: bytes) -> ClearValue:
        """The clear value of a ct64."""
        fhe_type, value = self._key.decrypt_ct64(ct64)
        return ClearValue(fhe_type, int.from_bytes(value, "big"))


class ClearEncryptor:
    """Client side of the clear engine; the entropy makes equal lists different."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def prove(self, values: Sequence[ClearValue], auxiliary: bytes) -> bytes:
        """A list of clear values, bound to the auxiliary data."""
        return clear.encode_list(values, auxiliary, self._entropy.bytes(clear.SALT_BYTES))


class ClearDecryptor:
    """Reads squashed values of the clear engine."""

    def decrypt(self, ct128: bytes, fhe_type: int, *, compressed: bool = True) -> int:
        """The value; raises OperationError when these are other bytes."""
        del compressed
        return clear.decode(clear.SQUASHED, ct128, fhe_type)


def _crossing(values: Sequence[ClearValue]) -> list[tuple[int, bytes]]:
    return [(value.fhe_type, value.value.to_bytes(32, "big")) for value in values]
