"""What a node answers, as errors of the common tree.

RpcError                  (recoverable)
├── RpcRefused            the node answered with an error
│   └── BlockUnknown      the block was reorganised away, or is not there yet
├── TooMuch               a request or its answer was too large, for the node or for us
├── WrongLogs             logs that do not belong to the block, or not all that do
└── NoCode                the node knows no contract at an address
CallReverted              (irrecoverable)
└── ContractReverted      with the contract's own error, decoded
"""

from streams.domain.errors import CallReverted, RpcError


class RpcRefused(RpcError):
    """The node answered with an error."""

    def __init__(self, method: str, code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.code = code
        self.text = message
        self.data = data


class BlockUnknown(RpcRefused):
    """The node does not know this block (any more): catch up again."""


class TooMuch(RpcError):
    """A request or its answer is too large: ask for less at once."""


class WrongLogs(RpcError):
    """The node's logs are not those of the block, or not all of them."""


class NoCode(RpcError):
    """The node has no contract at this address: it is below the deployment, or the address is wrong."""


class ContractReverted(CallReverted):
    """A contract refused the call; `name` and `arguments` are its custom error where it is known."""

    def __init__(self, name: str, arguments: tuple[object, ...], data: bytes) -> None:
        super().__init__(f"{name}({', '.join(_text(argument) for argument in arguments)})")
        self.name = name
        self.arguments = arguments
        self.data = data


def _text(argument: object) -> str:
    return f"0x{argument.hex()}" if isinstance(argument, bytes) else str(argument)
