"""The keys of an activated set on the device `concrete`, whose runtime has to show what it computes first."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from streams.domain.errors import ConfigurationError
from streams.fhe.devices import encoding, lwe
from streams.fhe.devices.concrete import ConcreteDevice, KeySwitch
from streams.fhe.devices.concrete_rotation import Rotation
from streams.fhe.devices.concrete_runtime import Runtime, runtime
from streams.fhe.devices.concrete_storage import ConcreteStorage
from streams.fhe.devices.key_switch import key_switch
from streams.fhe.devices.keys import ClientKey, generate_client, generate_server
from streams.fhe.devices.lookup_table import test_polynomial
from streams.fhe.devices.packing_key_switch import PackingKey
from streams.fhe.devices.port import Bootstraps, Device
from streams.fhe.devices.randomness import SeededSource
from streams.fhe.devices.reference import ReferenceDevice
from streams.fhe.parameters import COMPRESSION, PINNED
from streams.fhe.wave import word_files
from streams.fhe.wave.exam import Unit
from streams.fhe.wave.keys import WaveKeys, require_safe

# Keys that we have the secret of, which takes milliseconds; it protects nothing.
_CHECKED: Final = replace(
    PINNED, lwe_dimension=16, polynomial_size=256, lwe_noise_log2=30, glwe_noise_log2=10
)


def opened_on_concrete(folder: Path, threads: int = 1) -> WaveKeys:
    """Attach the files of `word_files.derived`; as many calls at a time, each on a thread of its own.

    Raises:
        KeyMaterialError: a file is missing or of another length.
        DeviceMissing: the runtime is not installed.
        ConfigurationError: it computes other values than the reference.
    """
    require_safe()
    library = runtime()
    check(library)
    keys = word_files.opened(folder)
    rotate, random = (Rotation(library, PINNED, PINNED.pbs, bits) for bits in (keys.rotate, keys.random))
    device = ConcreteDevice(PINNED, KeySwitch(library, keys.switch, PINNED.ks), rotate, random=random)
    unpack = Rotation(library, PINNED, COMPRESSION.unpacking, keys.unpack)
    storage = ConcreteStorage(PINNED, PackingKey(keys.pack, COMPRESSION.packing), unpack)
    # No other library has its words: it is held against what it answered at first.
    unit = Unit("concrete", device, storage)
    return WaveKeys((unit,), unit, keys.re_randomise, drivers=threads)


@cache
def check(library: Runtime) -> None:
    """Known look-ups of keys made here, two results of each; raises ConfigurationError."""
    source = SeededSource(b"known answer")
    client = generate_client(source, _CHECKED)
    server = generate_server(source, client)
    values = np.arange(_CHECKED.space)
    messages = encoding.encode(_CHECKED, values)
    given = lwe.encrypt(source, client.big, messages, _CHECKED.glwe_noise_log2)
    switch = KeySwitch(library, server.key_switch.rows, _CHECKED.ks)
    if not np.array_equal([switch(each) for each in given], key_switch(server.key_switch, given)):
        raise ConfigurationError("the runtime's keyswitch gives other words than the reference")
    tables = test_polynomial(_CHECKED, 2 * ((7 * values + 3) % _CHECKED.space)[None])
    batch = Bootstraps(given, tables, [0] * len(values), [(0, _CHECKED.space // 2)] * len(values))
    rotation = Rotation(library, _CHECKED, _CHECKED.pbs, server.bootstrap.bits)
    device = ConcreteDevice(_CHECKED, switch, rotation)
    if _decoded(client, device, batch) != _decoded(client, ReferenceDevice(server), batch):
        raise ConfigurationError("the runtime's bootstrap gives other values than the reference")


def _decoded(client: ClientKey, device: Device, batch: Bootstraps) -> list[int]:
    phases = lwe.phase(client.big, np.concatenate(device.bootstrap(batch)))
    return encoding.decode(client.parameters, phases).tolist()
