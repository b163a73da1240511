"""Work of one tenant is divided among the workers of a class."""

import pytest
from harness import Bench, everything, until
from look import Look
from verdict import assert_whole, watching

from streams.adapters.ethereum import abi
from streams.adapters.ethereum.chain import ANYTHING, EthereumChain, hex_text
from streams.devnet import chain_client
from streams.devnet.chain_client import Wallet
from streams.devnet.contracts import Deployment

pytestmark = pytest.mark.stack
ITEMS = 20  # two rounds of all slots are 16: the faster worker may have what is left
AT_LEAST = 8
CONTRACT = bytes.fromhex("c0de" * 10)
TRIVIAL_ENCRYPT = abi.function("trivialEncrypt(uint256,uint8)", "(bytes32)").selector
ALLOW = abi.function("allow(bytes32,address)").selector
UINT64 = 5
_SHARES = "select worker, count(*) from work_items where work_class = 'tfhe' group by worker"


def encrypting(at: Deployment) -> bytes:
    """A contract that encrypts the number it is called with and allows it to its caller."""
    code = bytes.fromhex(
        f"63{TRIVIAL_ENCRYPT.hex()}60e01b5f52"  # mstore(0, selector << 224)
        "5f35600452"  # mstore(4, calldataload(0))
        f"60{UINT64:02x}602452"  # mstore(0x24, type)
        f"6020606060445f5f73{at.executor.hex()}5af1"  # call; the handle comes to 0x60
    )
    code = checked(code) + bytes.fromhex(
        f"63{ALLOW.hex()}60e01b5f52"
        "606051600452"  # mstore(4, mload(0x60))
        "33602452"  # mstore(0x24, caller)
        f"5f5f60445f5f73{at.acl.hex()}5af1"
    )
    return checked(code) + b"\0"


def checked(code: bytes) -> bytes:
    """A call that failed fails the whole: the jump goes to its target times the call's success."""
    return code + bytes((0x60, len(code) + 4, 0x02, 0x56, 0x5B))


async def encrypt_many(host: EthereumChain, at: Deployment) -> None:
    """Independent operations, all in one block."""
    wallet = Wallet(host, chain_client.dev_accounts().owner)
    await host.rpc.call("anvil_setCode", (hex_text(CONTRACT), hex_text(encrypting(at))), ANYTHING)
    await host.rpc.call("evm_setAutomine", (False,), ANYTHING)
    sent = [await wallet.send(CONTRACT, number.to_bytes(32, "big")) for number in range(1, ITEMS + 1)]
    await host.rpc.call("anvil_mine", (1,), ANYTHING)
    await host.rpc.call("evm_setAutomine", (True,), ANYTHING)
    for transaction in sent:
        await wallet.wait(transaction)


async def test_twenty_equal_items_are_shared_by_two_workers(bench: Bench) -> None:
    members = everything(tfhe_2="tfhe-worker")
    async with bench.round() as played, Look(played).open() as look, played.running(members):

        async def are_there() -> bool:
            return len(await look.computing()) == 2

        await until(are_there, "both workers have partitions")
        async with watching(played) as watch:
            await encrypt_many(watch.host, bench.deployment)
            expected = await watch.traffic.allowed()
            outcome = await watch.settle(expected)
        shares = await look.rows(_SHARES)
    assert len(expected) == ITEMS
    assert sum(count for _, count in shares) == ITEMS
    assert len(shares) == 2
    assert min(count for _, count in shares) >= AT_LEAST, shares
    assert_whole(outcome)
