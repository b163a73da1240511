"""`bench waves`: the batches of a transfer, drawn."""

from enum import StrEnum
from typing import Annotated

import typer

from streams.commands import output
from streams.commands.devnet import JsonOption
from streams.fhe.radix.forms import Form


class Order(StrEnum):
    """How a token's contract writes its transfer."""

    EXAMPLES = "examples"
    WHITEPAPER = "whitepaper"


def waves(
    order: Annotated[Order, typer.Option(help="In which a contract writes the steps.")] = Order.EXAMPLES,
    form: Annotated[Form, typer.Option(help="In which all operations run.")] = Form.THROUGHPUT,
    count: Annotated[int, typer.Option("--transfers", min=1, help="That begin together.")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Look-ups of a batch, at most.")] = 1024,
    as_json: JsonOption = False,
) -> None:
    """Look-ups of each operation of a 64-bit transfer in the batches that follow one another.

    Batches that are alike share a column.
    """
    from streams.fhe.wave.measure import EXAMPLES, WHITEPAPER
    from streams.fhe.wave.picture import drawn, stretches, transfers

    steps = EXAMPLES if order is Order.EXAMPLES else WHITEPAPER
    found = stretches(transfers(steps, count), batch_size, form)
    if as_json:
        output.result(found)
        return
    for line in drawn(found):
        typer.echo(line)
