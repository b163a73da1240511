"""A group of commands of which one command line may name several: each runs with the words up to the next."""

from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperGroup


class ChainedGroup(TyperGroup):
    """Runs what is named, one after the other, under the group's one context.

    A word that is a command's name begins that command; so a value that is one is written `--option=value`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Options of the group and the first command; the others are kept."""
        first, *ctx.meta[__name__] = split(args, self.commands)
        return super().parse_args(ctx, first)

    def invoke(self, ctx: Any) -> Any:
        """Run the first command, then the others; gives what the last returns."""
        with ctx:
            result = super().invoke(ctx)
            for words in ctx.meta[__name__]:
                command = self.commands[words[0]]
                with command.make_context(words[0], words[1:], parent=ctx) as context:
                    result = command.invoke(context)
            return result


def split(words: Sequence[str], names: Collection[str]) -> list[list[str]]:
    """Words up to the second name, then from each name to the next."""
    parts: list[list[str]] = [[]]
    has_name = False
    for word in words:
        if word in names and has_name:
            parts.append([])
        has_name = has_name or word in names
        parts[-1].append(word)
    return parts
