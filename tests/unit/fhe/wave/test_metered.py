"""Every bootstrap of a device is counted, whoever asks for it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from streams.fhe.devices.cpu import CpuDevice
from streams.fhe.parameters import PINNED
from streams.fhe.wave.metered import Meter, MeteredDevice, MeteredStorage
from tests.unit.fhe.devices.sets import keys_of
from tests.unit.fhe.wave.test_decompressed import Packer
from tests.unit.fhe.wave.windows import U8, DeviceSide, component, handle, settled, step, values


def test_a_call_with_more_than_a_batch_is_as_many_as_it_takes() -> None:
    meter = Meter(32)
    for bootstraps in (1, 32, 33):
        meter.count(bootstraps)
    assert meter.reading == (66, 128)


def test_threads_count_together() -> None:
    meter = Meter(8)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(meter.count, [3] * 1000))
    assert meter.reading == (3000, 8000)


def test_what_a_window_looks_up_is_counted() -> None:
    client, server = keys_of(replace(PINNED, lwe_dimension=5))
    device = CpuDevice.prepare(server)
    metered = MeteredDevice(device, Meter(32))
    assert (metered.parameters, metered.batch_size) == (device.parameters, 32)
    side = DeviceSide(client, metered)
    inputs = {handle(name): side.value(U8, 9) for name in ("x", "y")}
    drawn = step("Rand", bytes(16), bytes([U8]), result=handle("r"), is_scalar=True)
    both = step("BitXor", handle("x"), handle("y"), result=handle("z"))
    found = settled(side, component("c", both, drawn, inputs=inputs, outputs=[handle("z"), handle("r")]))
    assert len(values(found)) == 2
    look_ups, places = metered.meter.reading
    assert look_ups > 4  # of the xor alone
    assert places == 64  # one call for each of the two keys


def test_each_block_that_is_unpacked_is_counted() -> None:
    packer, meter = Packer(), Meter(32)
    found = MeteredStorage(packer, meter).decompress([np.array([mark], np.uint16) for mark in range(9)])
    assert (len(found), meter.reading) == (9, (36, 64))
