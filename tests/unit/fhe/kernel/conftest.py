"""Keys for the kernel's tests: real parameters but for a small key of 24 bits, prepared once."""

from dataclasses import dataclass

import cipherstream_kernel as kernel
import numpy as np
import pytest

from tests.unit.fhe.kernel.client import Client, Words, new_client

DIMENSION = 24


@dataclass(frozen=True)
class Keys:
    """A client with its standard and its prepared keys."""

    client: Client
    standard_bootstrap: Words
    standard_keyswitch: Words
    bootstrap: kernel.BootstrapKey
    keyswitch: kernel.KeyswitchKey


@pytest.fixture(scope="session")
def keys() -> Keys:
    client = new_client(7, DIMENSION)
    bootstrap, keyswitch = client.bootstrap_key(), client.keyswitch_key()
    return Keys(
        client,
        bootstrap,
        keyswitch,
        kernel.BootstrapKey.prepare(bootstrap, DIMENSION),
        kernel.KeyswitchKey.prepare(keyswitch, DIMENSION),
    )


@pytest.fixture(scope="session")
def lwes(keys: Keys) -> Words:
    """Ciphertexts of 0..16, (16, 2049)."""
    return keys.client.encrypt(np.arange(16, dtype=np.uint64))
