"""CUDA's compiler without a GPU and without a driver: machine code, and what it takes of a multiprocessor."""

import ctypes
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from streams.fhe.devices.cuda.program import OPTIONS, Program

LIBRARY: Final = "libnvrtc.so.12"
ENTRY: Final = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
SPILLS: Final = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED: Final = re.compile(r"Used (\d+) registers")
STATIC: Final = re.compile(r"(\d+) bytes smem")


class Refused(Exception):
    """The compiler's log."""


@dataclass(frozen=True)
class Figures:
    """Of one kernel's machine code."""

    registers: int  # of a thread
    frame_bytes: int  # of memory that a thread needs for want of registers, spills included
    spilled_bytes: int
    shared_bytes: int  # that it declares itself


@dataclass(frozen=True)
class Compiled:
    ptx: str
    kernels: dict[str, Figures]


@cache
def compiled(program: Program, architecture: str) -> Compiled:
    """Raises Refused."""
    library = _library()
    handle = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(handle), program.source().encode(), b"kernels.cu", 0, None, None)
    try:
        options = [*OPTIONS, f"--gpu-architecture={architecture}", "--ptxas-options=-v"]
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        outcome = library.nvrtcCompileProgram(handle, len(options), given)
        log = _text(library, handle, "ProgramLog")
        if outcome != 0:
            raise Refused(log)
        return Compiled(_text(library, handle, "PTX"), figures(log.splitlines()))
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(handle))


def figures(log: Sequence[str]) -> dict[str, Figures]:
    """What the assembler tells of each kernel, line after line."""
    found = dict[str, Figures]()
    name, frame, spilled = "", 0, 0
    for line in log:
        if entry := ENTRY.search(line):
            name = entry[1]
        if spills := SPILLS.search(line):
            frame, spilled = int(spills[1]), int(spills[2]) + int(spills[3])
        if used := USED.search(line):
            static = STATIC.search(line)
            found[name] = Figures(int(used[1]), frame, spilled, int(static[1]) if static else 0)
    return found


def _library() -> Any:
    package = importlib.import_module("nvidia.cuda_nvrtc")
    return ctypes.CDLL(str(Path(package.__path__[0]) / "lib" / LIBRARY))


def _text(library: Any, handle: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    getattr(library, f"nvrtcGet{what}Size")(handle, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(library, f"nvrtcGet{what}")(handle, text)
    return text.value.decode()
