"""A graph process on the real broker and database tells the lag of all readers, and its spans."""

import httpx
import pytest
from live_graph import LiveGraph, facts, until
from unit.telemetry.otlp_receiver import Receiver, receiving

from streams.messages.topics import EVENTS
from streams.services import address

pytestmark = pytest.mark.stack


def gauges(text: str, reader: str) -> dict[str, float]:
    """Gauges of one reader by their name."""
    found = (line.split("{", 1) for line in text.splitlines() if reader in line)
    return {name: float(rest.rsplit(" ", 1)[1]) for name, rest in found}


async def exposition(graph: LiveGraph) -> str:
    port = address.read(graph.config.parent, "graph").http_port
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.get(f"http://127.0.0.1:{port}/metrics", timeout=30)).text


async def until_told(graph: LiveGraph, receiver: Receiver) -> None:
    async def is_told() -> bool:
        names = {span.name for span in receiver.spans}
        return "dispatch compute" in names and "cipherstream_consumer_position{" in await exposition(graph)

    await until(is_told, "lag and spans are told")


async def test_a_graph_process_tells_lag_and_spans(graph: LiveGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await graph.publish(*facts())
        child = await graph.start()
        await graph.until_done()
        await until_told(graph, receiver)
        text = await exposition(graph)
        await child.stop()
    found = gauges(text, f'group="graph",partition="{graph.shard()}",topic="{EVENTS}"') or gauges(
        text, f'group="graph",topic="{EVENTS}",partition="{graph.shard()}"'
    )
    # The look may have come at any moment, but its two numbers belong together.
    told = found["cipherstream_consumer_position"] + found["cipherstream_consumer_lag_records"]
    assert told == len(facts())
    assert {span.service for span in receiver.spans} == {"graph"}
