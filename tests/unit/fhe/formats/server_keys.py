"""Server keys of the protocol's layout whose bodies are zeros, part by part."""

from collections.abc import Collection

from streams.fhe.key_parts import Part
from streams.fhe.parameters import COMPRESSION, PINNED, Gadget

SEED = bytes(range(16))
ELSEWHERE = (Part.PUBLIC, Part.EXPANDED)  # in no server key
ALL_BUT_SQUASHING = tuple(part for part in Part if part not in (*ELSEWHERE, Part.SQUASHING))
BIG = (PINNED.glwe_dimension, PINNED.polynomial_size)
PACKED = (COMPRESSION.glwe_dimension, COMPRESSION.polynomial_size)


def text(content: str) -> bytes:
    return u64(len(content)) + content.encode()


def header(name: str) -> bytes:
    return text("0.5") + u32(0) + text("0.1") + text(name)


def u32(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def wrapped(*numbers: int) -> bytes:
    return b"".join(u32(0) + u64(number) for number in numbers)


def zeros(count: int) -> bytes:
    return u64(count) + bytes(8 * count)


def native_modulus() -> bytes:
    return u32(0) + bytes(16) + u64(64)


def start() -> bytes:
    return u32(1, 0, 0, 0, 0) + SEED + u32(0, 0) + bytes(16) + wrapped(0) + native_modulus()


def keyswitch(inputs: int, gadget: Gadget, dimension: int) -> bytes:
    shape = wrapped(gadget.base_log, gadget.level, dimension + 1)
    return zeros(inputs * gadget.level) + shape + start()


def bootstrap(inputs: int, gadget: Gadget) -> bytes:
    dimension, size = BIG
    shape = wrapped(dimension + 1, size, gadget.base_log, gadget.level)
    return zeros(inputs * gadget.level * (dimension + 1) * size) + shape + start()


def packing(gadget: Gadget) -> bytes:
    dimension, size = PACKED
    shape = wrapped(gadget.base_log, gadget.level, dimension + 1, size)
    return zeros(PINNED.big_dimension * gadget.level * size) + shape + start()


def compute() -> bytes:
    switch = keyswitch(PINNED.big_dimension, PINNED.ks, PINNED.lwe_dimension)
    rotate = bootstrap(PINNED.lwe_dimension, PINNED.pbs)
    rest = u32(0, 2, 0, 0) + wrapped(4, 4, 12, 5)
    return u32(2, 3, 0, 0, 0, 2) + switch + u32(3, 0, 1, 1) + rotate + rest


def destination(key: int) -> bytes:
    return bytes(1) + u32(0, key, 0, 0)


def optional(part: Part, parts: Collection[Part], content: bytes) -> bytes:
    return b"\1" + content if part in parts else b"\0"


def server_key(parts: Collection[Part] = (), *, mark: int = 7) -> bytes:
    """With these parts; none of those that squash noise, which would take 400 MB."""
    cast = u32(2, 2, 2) + keyswitch(2048, PINNED.ks, PINNED.lwe_dimension) + destination(1)
    size, stored = COMPRESSION.polynomial_size, COMPRESSION.storage_log2
    pack = u32(2, 2, 2) + packing(COMPRESSION.packing) + wrapped(size, stored)
    unpack = u32(1, 2, 3, 0, 1, 1) + bootstrap(COMPRESSION.dimension, COMPRESSION.unpacking)
    unpack += u32(0, 0) + wrapped(size)
    again = u32(0, 0, 0, 1, 2, 2, 2) + keyswitch(2048, Gadget(24, 1), PINNED.big_dimension) + destination(0)
    random = u32(0, 0, 0, 0, 1, 1) + bootstrap(PINNED.lwe_dimension, PINNED.pbs)
    return b"".join(
        (
            header("high_level_api::CompressedServerKey"),
            u32(2, mark),
            compute(),
            optional(Part.CASTING, parts, cast),
            optional(Part.COMPRESSION, parts, pack),
            optional(Part.COMPRESSION, parts, unpack),
            bytes(2),
            optional(Part.RE_RANDOMISATION, parts, again),
            optional(Part.RANDOM, parts, random),
            u32(0) + u64(0),
        )
    )


def public_key(words: bytes = bytes(8 * 4096)) -> bytes:
    """A compact public key of these words."""
    encryption = u32(1) + wrapped(2048) + u32(0, 1, 0, 17) + wrapped(4, 4) + native_modulus()
    return b"".join(
        (
            header("high_level_api::CompactPublicKey"),
            u32(1, 0, 0, 1, 0, 0) + u64(4096) + words,
            wrapped(2048) + native_modulus(),
            encryption + u32(1, 0, 0, 2) + u32(0) + u64(0),
        )
    )
