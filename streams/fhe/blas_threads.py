"""Matrix products of re-randomisation run on the thread that asks for them.

Drivers of a window are as many as the machine has threads to spare: a library that starts some of its own for
each product only takes their cores. It reads these variables when NumPy is imported, and never again.
"""

from typing import Final

ONE_THREAD: Final[dict[str, str]] = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
