"""What has to be settled before NumPy is imported."""

from __future__ import annotations

import os

from ..common.memory import require_addresses

_ADDRESSES_BYTES = 100_000_000
"""NumPy reserves up to 85 MB on two processors while it loads, and ends the process, or crashes, where it cannot."""


def require_numpy() -> None:
    """Refuse where NumPy may not take the memory that it needs.

    Raises:
        EdgeError: too few addresses are left to this process.
    """
    require_addresses(_ADDRESSES_BYTES, module="numpy", name="NumPy")


def use_one_thread() -> None:
    """Keep numpy from starting a thread for every processor, which takes a quarter of the start-up.

    It is for commands that only predict: they multiply no large matrices in numpy. Who set the variable, keeps it
    (https://numpy.org/doc/stable/reference/global_state.html).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
