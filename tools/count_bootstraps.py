"""Counts the bootstraps that the tfhe crate takes: `python tools/count_bootstraps.py`.

Builds `native/counts`, the crate with its own counter, which is a build apart from the wheels', and writes
`streams/bench/tfhe_rs_counts.json`. The crate takes another algorithm for carries where many threads are at
hand, so all is counted with one thread (nearly always its fewest bootstraps) and with many (its shortest
chains): on trivial ciphertexts, where the crate computes a bootstrap in the clear and counts it all the same.
Since it knows the digits of such, it spares some in sums; so every operation of 8 bits, and many of 64, are
counted on encrypted numbers too, which is never less, and that count stands. Counts are the same on every
machine.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from build_wheels import ROOT, RUSTFLAGS, BuildError, cache_root, run, say

from streams.bench.tfhe_rs_counts import FILE, Counted, Counts
from streams.fhe.radix.counts import CLEARS, FOLLOWING_DIGITS, clear_number

MANIFEST: Final = ROOT / "native/counts/Cargo.toml"
PROGRAM: Final = "release/cipherstream-counts"
COMMAND: Final = "python tools/count_bootstraps.py"
WIDTHS: Final = (8, 64)
ONE_THREAD: Final = 1
MANY_THREADS: Final = 64  # more than a number of 64 bits has blocks: nothing waits for a thread
ENCRYPTED: Final = "encrypted"
TRIVIAL: Final = "trivial"
# On encrypted numbers of 64 bits the others would take minutes.
SWIFT: Final = ("Add", "Sub", "Mul", "Eq", "Ge", "BitAnd", "IfThenElse", "Neg", "Shl", "Rand", "transfer")

Key = tuple[str, int, str]  # operation, bits, operands
Found = dict[Key, int]


@dataclass(frozen=True)
class Run:
    """One run of the program."""

    kind: str  # of the ciphertexts
    bits: int
    clear: int
    operands: str = "clear"  # what a clear operand is called
    operations: tuple[str, ...] = ()  # all, if empty

    def arguments(self, threads: int) -> list[str]:
        """Of the command line."""
        return [self.kind, str(threads), str(self.bits), str(self.clear), *self.operations]


def encrypted_runs() -> list[Run]:
    """What is counted on encrypted numbers."""
    narrow, wide = WIDTHS
    return [
        Run(ENCRYPTED, narrow, clear_number(narrow)),
        Run(ENCRYPTED, wide, clear_number(wide), operations=SWIFT),
    ]


def trivial_runs() -> list[Run]:
    """What is counted on trivial ciphertexts: everything."""
    whole = [Run(TRIVIAL, bits, clear_number(bits)) for bits in WIDTHS]
    return [*whole, *(Run(TRIVIAL, 64, clear, f"clear {clear}", FOLLOWING_DIGITS) for clear in CLEARS)]


def built() -> Path:
    """The program, built now if it is not; raises BuildError."""
    target = cache_root() / "target"
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST]
    run(command, {"CARGO_TARGET_DIR": str(target), "RUSTFLAGS": RUSTFLAGS})
    return target / PROGRAM


def counted(output: str, each: Run) -> Found:
    """The counts that a run printed."""
    found: Found = {}
    for line in output.splitlines():
        operation, bits, operands, look_ups = line.split("\t")
        if operands == "encrypted" and each.operands != "clear":
            continue  # counted with all others
        named = each.operands if operands == "clear" else operands
        found[operation, int(bits), named] = int(look_ups)
    return found


def all_of(program: Path, runs: Sequence[Run], threads: int) -> Found:
    """The counts of all runs; raises BuildError."""
    found: Found = {}
    for each in runs:
        started = time.monotonic()
        found |= counted(run([program, *each.arguments(threads)]), each)
        say(f"{' '.join(each.arguments(threads))}: {time.monotonic() - started:.0f} s")
    return found


def require_no_less(encrypted: Found, trivial: Found) -> None:
    """Passes when nothing takes less on encrypted numbers than on trivial ciphertexts.

    Raises:
        BuildError: it names what does.
    """
    less = {key: (count, trivial[key]) for key, count in encrypted.items() if count < trivial[key]}
    if less:
        raise BuildError(f"trivial ciphertexts take more than encrypted ones: {less}")


def rows(one: Mapping[Key, int], many: Mapping[Key, int], encrypted: Found) -> tuple[Counted, ...]:
    """Both counts of each row."""
    return tuple(
        Counted(
            operation=key[0],
            bits=key[1],
            operands=key[2],
            one_thread=encrypted.get(key, one[key]),
            many_threads=many[key],
            is_encrypted=key in encrypted,
        )
        for key in one
    )


def version() -> str:
    """Of the crate, as the program's lock has it."""
    blocks = MANIFEST.with_name("Cargo.lock").read_text().split("[[package]]")
    (found,) = [block for block in blocks if '\nname = "tfhe"\n' in block]
    return found.split('version = "')[1].partition('"')[0]


def written(found: tuple[Counted, ...], file: Path) -> None:
    """Writes the file of counts."""
    counts = Counts(command=COMMAND, tfhe=version(), threads=MANY_THREADS, rows=found)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(counts), indent=1) + b"\n")


def main() -> int:
    """The command line."""
    try:
        program = built()
        one, many = (all_of(program, trivial_runs(), threads) for threads in (ONE_THREAD, MANY_THREADS))
        encrypted = all_of(program, encrypted_runs(), ONE_THREAD)
        require_no_less(encrypted, one)
    except BuildError as error:
        say(str(error))
        return 1
    written(rows(one, many, encrypted), FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
