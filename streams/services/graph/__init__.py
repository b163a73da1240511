"""The graph service: the owners of shards, what they apply, what they hand to workers."""

from streams.services.runtime import Runtime


async def run(runtime: Runtime) -> None:
    """Run the Faust app until the process is told to stop; raises Fatal."""
    from streams.services import graph_service  # Faust is imported only where it runs

    await graph_service.run(runtime)
