"""The parts of what `cursor` reads, written."""

from streams.fhe.parameters import WORD_BITS


def u64(number: int) -> bytes:
    """Eight bytes."""
    return number.to_bytes(8, "little")


def marks(*numbers: int) -> bytes:
    """Versions and variants, 32 bits each."""
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def wrapped(number: int) -> bytes:
    """A number in a struct of its own, version 0."""
    return marks(0) + u64(number)


def native_modulus(bits: int = WORD_BITS) -> bytes:
    """The modulus 2^bits."""
    return marks(0) + bytes(16) + u64(bits)


def text(content: str) -> bytes:
    """A string behind its length."""
    return u64(len(content)) + content.encode()


def header(name: str) -> bytes:
    """What stands before an object of that name: safe serialisation, versioned."""
    return text("0.5") + marks(0) + text("0.1") + text(name)


def empty_tag() -> bytes:
    """A tag that names no key."""
    return marks(0) + u64(0)
