"""The Faust app: `faust -A streams.app worker` and `cipherstream run graph` are the same.

Faust brings the consumer group, the assignment and the events of each partition in order. What is done
with them is in `services/graph`: the agent hands each event to the owner of its shard and acknowledges it
by hand once it is committed.
"""

from typing import Any

from streams.domain.errors import ConfigurationError
from streams.services.graph.faust_app import FaustFeed, as_record, events_topic, make_app
from streams.services.graph.host import Host
from streams.services.graph.process import Process
from streams.settings import load_settings

try:
    settings = load_settings()
except ConfigurationError as error:  # Faust's command line would show a traceback
    raise SystemExit(f"cipherstream: {error}") from None
app = make_app(settings.kafka)
host = Host(FaustFeed(app, settings.kafka))
process = Process(app, host, settings)


@app.agent(events_topic(app, settings.kafka), isolated_partitions=True, name="graph")
async def apply_events(stream: Any) -> None:
    """Hand the events of one partition to its owner, in order."""
    async for event in stream.noack().events():
        await host.offer(as_record(event.message), event.ack)


@app.task
async def start() -> None:
    """Connect when the worker is up."""
    await process.start()


@app.on_partitions_assigned.connect
async def on_assigned(sender: Any, assigned: Any, **_: Any) -> None:
    """Owners for what this worker has now."""
    del sender, assigned
    await host.assigned()


@app.on_partitions_revoked.connect
async def on_revoked(sender: Any, revoked: Any, **_: Any) -> None:
    """No owners while partitions move."""
    del sender, revoked
    await host.revoked()


@app.on_before_shutdown.connect
async def on_shutdown(sender: Any, **_: Any) -> None:
    """End the owners before the consumer leaves its group."""
    del sender
    await process.stop()
