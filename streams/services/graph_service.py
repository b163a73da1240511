"""Service `graph`: starts exactly the Faust app of `streams.app`, in the process that the CLI made."""

import asyncio

from streams.services.runtime import Runtime


async def run(runtime: Runtime) -> None:
    """Serve until told to stop; raises what ended the service."""
    from streams.app import app, process  # the app reads settings and belongs to this loop

    # before the app starts: it would make logs, metrics and health of its own otherwise
    process.adopt(runtime)
    # as a service of this loop: `faust worker` would take over signals and logging
    await app.start()
    stopping = asyncio.create_task(runtime.stopping.wait())
    failed = asyncio.create_task(process.failed.wait())
    try:
        await asyncio.wait((stopping, failed), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        failed.cancel()
        await app.stop()
    if process.failure is not None:
        raise process.failure
