"""What keeps a process small that only predicts."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Keep numpy from starting a thread for every processor, which takes a quarter of the start-up; before its import.

    Nothing here multiplies large matrices in numpy. Who set the variable, keeps it
    (https://numpy.org/doc/stable/reference/global_state.html).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
