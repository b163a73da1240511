"""Everything that lies on the two development chains, put there once and found again after a restart.

Host contracts come compiled with their neighbours' addresses in the code, so they are placed exactly there.
Ours are created through the node's CREATE2 factory: an address follows from the code and the arguments alone,
and each step looks first whether it is done.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

import msgspec

from streams.adapters.ethereum import abi, calls
from streams.adapters.ethereum.chain import ANYTHING, TEXT, EthereumChain, hex_text, unhex
from streams.adapters.ethereum.signer import Signer
from streams.devnet.chain_client import Wallet
from streams.domain.digest import keccak256
from streams.domain.errors import ConfigurationError
from streams.domain.gateway_events import Coprocessor

HOST_ADDRESSES: Final[Mapping[str, bytes]] = {
    "ACL": bytes.fromhex("50157CFfD6bBFA2DECe204a89ec419c23ef5755D"),
    "FHEVMExecutor": bytes.fromhex("e3a9105a3a932253A70F126eb1E3b589C643dD24"),
    "KMSVerifier": bytes.fromhex("901F8942346f7AB3a01F6D7613119Bca447Bb030"),
    "InputVerifier": bytes.fromhex("36772142b74871f255CbD7A3e89B401d3e45825f"),
    "HCULimit": bytes.fromhex("233ff88A48c172d29F675403e6A8e302b0F032D9"),
    "PauserSet": bytes.fromhex("34e3eD8472e409dbF8FDf933cA996DC75e4Be126"),
}
# ERC-7201 slots of OpenZeppelin's Initializable and Ownable.
INITIALIZABLE_SLOT: Final = 0xF0C57E16840DF040F15088DC2F81FE391C3923BEC73E23A9662EFC9C229C6A00
OWNABLE_SLOT: Final = 0x9016D09D72D40FDAE2FD8CEAC6B6234C7706214FD39C1CD1E609A0528C199300
EMPTY_PROXY: Final = 1  # what an empty proxy leaves in the counter; initialisers ask for exactly that
CREATE2_FACTORY: Final = bytes.fromhex("4e59b44847b379578588920cA78FbF26c0B4956C")
# Decryption has no stand-in on the gateway; its address is part of the KMS signatures' domain all the same.
DECRYPTION_ADDRESS: Final = keccak256(b"devnet decryption contract")[-20:]
CURRENCY_NAME: Final = "Cipher Dollar"
CURRENCY_SYMBOL: Final = "cUSD"

INITIALIZE: Final = abi.function("initializeFromEmptyProxy()")
INITIALIZE_VERIFIER: Final = abi.function("initializeFromEmptyProxy(address,uint64,address[],uint256)")
UPDATE_COPROCESSORS: Final = abi.function("updateCoprocessors((address,address,string)[],uint256)")
ADD_HOST_CHAIN: Final = abi.function("addHostChain((uint256,address,address,string,string))")

SALT: Final = bytes(32)


class _Artifact(msgspec.Struct, frozen=True, rename="camel"):
    contract_name: str
    bytecode: str = ""
    deployed_bytecode: str = ""


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses of everything, 20 bytes each."""

    host_chain_id: int
    gateway_chain_id: int
    acl: bytes
    executor: bytes
    input_verifier: bytes
    kms_verifier: bytes
    hcu_limit: bytes
    kms_generation: bytes
    token: bytes
    gateway_config: bytes
    input_verification: bytes
    ciphertext_commits: bytes
    decryption: bytes


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes part: registered operators, how many must agree, and the key-management signer."""

    coprocessors: tuple[Coprocessor, ...]
    threshold: int = 1
    kms_signer: bytes


async def deploy(
    host: EthereumChain, gateway: EthereumChain, *, owner: Signer, network: Network
) -> Deployment:
    """Puts everything on both chains, or finds it there; the registration follows `network` every time.

    Raises:
        ConfigurationError: a chain lacks the CREATE2 factory.
        ContractReverted: a contract refused a step.
    """
    host_wallet, gateway_wallet = Wallet(host, owner), Wallet(gateway, owner)
    host_chain_id, gateway_chain_id = await host.chain_id(), await gateway.chain_id()
    config = await _create(
        gateway_wallet, "GatewayConfig", abi.encode_arguments(("address",), (owner.address,))
    )
    config_argument = abi.encode_arguments(("address",), (config,))
    verification = await _create(gateway_wallet, "GatewayInputVerification", config_argument)
    commits = await _create(gateway_wallet, "GatewayCiphertextCommits", config_argument)
    await _register(gateway_wallet, config, network)
    await _add_host_chain(gateway_wallet, config, host_chain_id)

    await _place_host_contracts(host, owner.address)
    signers = [coprocessor.signer for coprocessor in network.coprocessors]
    verifier = abi.encode_call(
        INITIALIZE_VERIFIER, verification, gateway_chain_id, signers, network.threshold
    )
    kms = abi.encode_call(INITIALIZE_VERIFIER, DECRYPTION_ADDRESS, gateway_chain_id, [network.kms_signer], 1)
    await _initialise(host_wallet, {"InputVerifier": verifier, "KMSVerifier": kms})
    return Deployment(
        host_chain_id=host_chain_id,
        gateway_chain_id=gateway_chain_id,
        acl=HOST_ADDRESSES["ACL"],
        executor=HOST_ADDRESSES["FHEVMExecutor"],
        input_verifier=HOST_ADDRESSES["InputVerifier"],
        kms_verifier=HOST_ADDRESSES["KMSVerifier"],
        hcu_limit=HOST_ADDRESSES["HCULimit"],
        kms_generation=await _create(
            host_wallet, "KMSGenerationStandIn", abi.encode_arguments(("address",), (owner.address,))
        ),
        token=await _create(host_wallet, "ConfidentialToken", _token_arguments(owner.address)),
        gateway_config=config,
        input_verification=verification,
        ciphertext_commits=commits,
        decryption=DECRYPTION_ADDRESS,
    )


def create2_address(init_code: bytes) -> bytes:
    """Where the factory puts a contract of this code and these arguments."""
    return keccak256(b"\xff" + CREATE2_FACTORY + SALT + keccak256(init_code))[-20:]


def load_bytecode(name: str) -> bytes:
    """Creation code of one of our contracts, from the package."""
    return unhex(_artifact(f"{name}.json").bytecode)


def load_host_code(name: str) -> bytes:
    """Runtime code of a host contract, from the package."""
    return unhex(_artifact(f"host/{name}.json").deployed_bytecode)


def _artifact(path: str) -> _Artifact:
    file = resources.files("streams.devnet").joinpath("artifacts", *path.split("/"))
    return msgspec.json.decode(file.read_bytes(), type=_Artifact)


def _token_arguments(owner: bytes) -> bytes:
    protocol = (HOST_ADDRESSES["ACL"], HOST_ADDRESSES["FHEVMExecutor"], HOST_ADDRESSES["KMSVerifier"])
    types = ("string", "string", "(address,address,address)", "address")
    return abi.encode_arguments(types, (CURRENCY_NAME, CURRENCY_SYMBOL, protocol, owner))


async def _create(wallet: Wallet, name: str, arguments: bytes) -> bytes:
    init_code = load_bytecode(name) + arguments
    address = create2_address(init_code)
    if await wallet.chain.code(address):
        return address
    if not await wallet.chain.code(CREATE2_FACTORY):
        raise ConfigurationError(f"{wallet.chain.rpc.url} has no CREATE2 factory: not a development node")
    await wallet.transact(CREATE2_FACTORY, SALT + init_code)
    return address


async def _place_host_contracts(chain: EthereumChain, owner: bytes) -> None:
    for name, address in HOST_ADDRESSES.items():
        if await chain.code(address):
            continue
        # The code last: where it is, the slots are set too, whenever this was cut off.
        if name != "PauserSet":
            await _set_word(chain, address, INITIALIZABLE_SLOT, EMPTY_PROXY.to_bytes(32, "big"))
        if name == "ACL":
            await _set_word(chain, address, OWNABLE_SLOT, owner.rjust(32, b"\0"))
        await chain.rpc.call("anvil_setCode", (hex_text(address), hex_text(load_host_code(name))), ANYTHING)


async def _set_word(chain: EthereumChain, address: bytes, slot: int, value: bytes) -> None:
    await chain.rpc.call(
        "anvil_setStorageAt", (hex_text(address), f"{slot:#066x}", hex_text(value)), ANYTHING
    )


async def _initialise(wallet: Wallet, special: Mapping[str, bytes]) -> None:
    for name, address in HOST_ADDRESSES.items():
        if name == "PauserSet" or await _initialised(wallet.chain, address) != EMPTY_PROXY:
            continue
        await wallet.transact(address, special.get(name, abi.encode_call(INITIALIZE)))


async def _initialised(chain: EthereumChain, address: bytes) -> int:
    params: Sequence[object] = (hex_text(address), f"{INITIALIZABLE_SLOT:#066x}", "latest")
    return int.from_bytes(unhex(await chain.rpc.call("eth_getStorageAt", params, TEXT)), "big")


async def _register(wallet: Wallet, config: bytes, network: Network) -> None:
    chain = wallet.chain
    registered = [await calls.coprocessor(chain, config, c.tx_sender) for c in network.coprocessors]
    count = len(await calls.coprocessor_signers(chain, config))
    is_equal = registered == list(network.coprocessors) and count == len(network.coprocessors)
    if is_equal and await calls.threshold(chain, config) == network.threshold:
        return
    rows = [(c.tx_sender, c.signer, c.bucket_url) for c in network.coprocessors]
    await wallet.transact(config, abi.encode_call(UPDATE_COPROCESSORS, rows, network.threshold))


async def _add_host_chain(wallet: Wallet, config: bytes, chain_id: int) -> None:
    (is_known,) = await wallet.chain.view(config, calls.IS_HOST_CHAIN_REGISTERED, chain_id)
    if is_known:
        return
    row = (chain_id, HOST_ADDRESSES["FHEVMExecutor"], HOST_ADDRESSES["ACL"], "devnet", "")
    await wallet.transact(config, abi.encode_call(ADD_HOST_CHAIN, row))
