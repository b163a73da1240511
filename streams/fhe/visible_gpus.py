"""How many GPUs there are, for who computes on none itself: the driver is not asked, which takes memory."""

import os
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Final

_LISTED: Final = Path("/proc/driver/nvidia/gpus")
_CHOSEN: Final = "CUDA_VISIBLE_DEVICES"


def visible_gpus(variables: Mapping[str, str] = os.environ, listed: Path = _LISTED) -> int:
    """Those that a child of this process may use; one at least, also where nothing is listed."""
    count = len(list(listed.iterdir())) if listed.is_dir() else 1
    if _CHOSEN in variables:
        # As the driver reads it: up to the first name that can be none.
        names = (each.strip() for each in variables[_CHOSEN].split(","))
        chosen = takewhile(lambda name: name and not name.startswith("-"), names)
        count = min(count, len(list(chosen)))
    return max(1, count)
