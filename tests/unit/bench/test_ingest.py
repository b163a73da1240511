"""What ingest decodes is what was encoded, and it says how much."""

import itertools

from streams.adapters.ethereum.chain import EthereumChain
from streams.bench import ingest, traffic


async def test_an_answer_reads_back_as_the_block_s_logs() -> None:
    (block,) = traffic.blocks(1, 2)
    chain = EthereumChain(ingest._Answers(ingest.answer(block)))
    assert await chain.logs_of_block(bytes(32)) == block.logs


async def test_it_decodes_at_least_what_is_asked_for() -> None:
    ticks = itertools.count()
    report = await ingest.measure(31, 1, lambda: float(next(ticks)))
    assert report.setting == {"logs": 45, "logs per answer": 15, "events": 3 * 14}
    figures = {figure.name: (figure.value, figure.unit) for figure in report.figures}
    assert figures == {
        "raw logs to events": (round(45 / 2), "logs/s"),
        "answer to raw logs": (45, "logs/s"),
        "raw logs to events alone": (45, "logs/s"),
        "block to record": (45, "logs/s"),
    }
    assert [figure.at_least for figure in report.figures if figure.at_least] == [ingest.LOGS_PER_S]
