"""`bench executor`: the executor without a device, which is asked for what a device would be asked for."""

import pytest

from streams.bench.executor import BATCH, IdleDevice, measure
from streams.fhe.devices.port import Bootstraps
from streams.fhe.devices.words import Words

LOOK_UPS = 112  # of a transfer in the token's form (`bench counts`)


def test_every_look_up_of_a_transfer_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()

    class Listening(IdleDevice):
        def bootstrap(self, batch: Bootstraps) -> list[Words]:
            asked.append(len(batch.ciphertexts))
            return super().bootstrap(batch)

    monkeypatch.setattr("streams.bench.executor.IdleDevice", Listening)
    report = measure(3)
    assert sum(asked) == 3 * 3 * LOOK_UPS
    assert max(asked) <= BATCH
    figures = {each.name: each for each in report.figures}
    assert figures["a look-up"].value > 0
    assert figures["a transfer"].unit == "ms of a core"
