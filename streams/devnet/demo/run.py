"""One run of the demonstration, from an empty folder to the table."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from typing import Final

import httpx
from pydantic import SecretStr
from rich.console import Console

from streams.adapters.ethereum.chain import EthereumChain
from streams.adapters.ethereum.rpc import RpcClient
from streams.adapters.postgres import pool
from streams.adapters.postgres.progress import Progress
from streams.adapters.system import SystemEntropy
from streams.devnet import chain_client, stack, up
from streams.devnet.demo import ledger, report, stages
from streams.devnet.demo.fleet import Fleet
from streams.devnet.demo.plan import Plan, Stage
from streams.devnet.demo.stages import World
from streams.devnet.demo.traffic import Chains, Traffic
from streams.devnet.demo.view import View
from streams.devnet.stack import Stack
from streams.devnet.state import State
from streams.domain.errors import ConfigurationError
from streams.fhe.keyset import KeyStore
from streams.settings import PostgresSettings

_MARK: Final = "demo"  # a folder with this file was made by the demonstration, which may clear it
_CONNECTIONS: Final = 3  # the view's, the stages', the kills'


async def run(plan: Plan, console: Console) -> int:
    """Do all stages of the plan; 0 only if every one stands and all balances are as expected.

    Raises: CipherstreamError with the reason why a stage does not stand.
    """
    report.opening(console, plan)
    state = State(plan.state_dir)
    await prepare(state)
    end_on_signals()
    view = View(console, plan.stages())
    try:
        async with view.live(), contextlib.AsyncExitStack() as closing:
            with view.stage(Stage.DEVNET):
                servers = await up.up(state, engine=plan.engine)
                world = await closing.enter_async_context(_world(plan, state, servers))
                await stages.check_devnet(world)
            lines = await _stages(world, view)
    except BaseException:
        report.logs(console, state.logs.resolve())
        raise
    finally:
        pass_over_signals()
        if not plan.keep:
            await up.down(state)
    report.closing(console, lines, view.took_s, state.logs.resolve(), world.traffic.rejected)
    return 0 if all(line.is_equal for line in lines) else 1


def end_on_signals() -> None:
    """The first SIGTERM or SIGINT unwinds this task, so that nothing is left behind."""
    task = asyncio.current_task()

    def end() -> None:
        pass_over_signals()
        if task is not None:
            task.cancel()

    _on_signals(end)


def pass_over_signals() -> None:
    """From here on all is being cleared up: one signal more would leave servers behind."""
    _on_signals(lambda: None)


def _on_signals(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, act)


async def prepare(state: State) -> None:
    """Clear what an earlier demonstration left; raises ConfigurationError where another devnet is."""
    mark = state.root / _MARK
    if any(part.is_running for part in stack.status(state.root)):
        raise ConfigurationError(f"a devnet runs in {state.root}; stop it: cipherstream devnet down")
    if state.deployment_file.exists() and not mark.exists():
        raise ConfigurationError(
            f"{state.root} holds the data of a devnet; delete it: cipherstream devnet down --delete"
        )
    await up.down(state, delete=True)
    stack.mark(state.root)
    mark.touch()


async def _stages(world: World, view: View) -> tuple[ledger.Line, ...]:
    watcher = asyncio.create_task(view.watch(world.progress))
    try:
        for stage in actions(world.plan):
            with view.stage(stage):
                await stages.ACTIONS[stage](world)
        if not world.plan.includes(Stage.COMMIT):
            return ()
        return await stages.final_balances(world)
    finally:
        watcher.cancel()


def actions(plan: Plan) -> tuple[Stage, ...]:
    """What follows the devnet. The kills happen to the main job, which is done once."""
    left_out = (Stage.DEVNET, Stage.INPUTS) if plan.includes(Stage.KILLS) else (Stage.DEVNET,)
    return tuple(stage for stage in plan.stages() if stage not in left_out)


@contextlib.asynccontextmanager
async def _world(plan: Plan, state: State, servers: Stack) -> AsyncGenerator[World]:
    accounts = chain_client.dev_accounts()
    database = PostgresSettings(url=SecretStr(servers.postgres_url))
    async with (
        RpcClient(servers.host_http_url) as host,
        RpcClient(servers.gateway_http_url) as gateway,
        httpx.AsyncClient(trust_env=False) as http,
        contextlib.AsyncExitStack() as closing,
    ):
        connections = await pool.open_pool(database, _CONNECTIONS)
        closing.push_async_callback(connections.close)
        chains = Chains(EthereumChain(host), EthereumChain(gateway), state.deployment())
        yield World(
            plan=plan,
            script=ledger.write(plan.transfers, len(accounts.users)),
            state=state,
            servers=servers,
            accounts=accounts,
            chains=chains,
            traffic=Traffic(chains, accounts),
            fleet=Fleet(state, http),
            progress=Progress(connections),
            http=http,
            keys=KeyStore(),
            entropy=SystemEntropy(),
        )
