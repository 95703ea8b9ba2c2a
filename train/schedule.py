"""Learning rate schedules, as pure functions of how far the training has come."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

Schedule = Literal["constant", "cosine", "one-cycle"]
SCHEDULES: tuple[str, ...] = get_args(Schedule)

_START_DIVISOR = 25.0
_END_DIVISOR = 250_000.0


def constant(progress: float, *, warmup: float) -> float:
    """Rise in a straight line during `warmup`, then stay at 1.

    >>> constant(0.05, warmup=0.1), constant(0.9, warmup=0.1)
    (0.5, 1.0)
    """
    return progress / warmup if progress < warmup else 1.0


def cosine(progress: float, *, warmup: float) -> float:
    """Rise in a straight line during `warmup`, then fall to 0 along half a cosine.

    After I. Loshchilov and F. Hutter, "SGDR", arXiv 1608.03983, without restarts.

    >>> cosine(0.0, warmup=0.0), round(cosine(0.5, warmup=0.0), 6), cosine(1.0, warmup=0.0)
    (1.0, 0.5, 0.0)
    """
    if progress < warmup:
        return progress / warmup
    return _half_cosine(1.0, 0.0, (progress - warmup) / (1 - warmup))


def one_cycle(progress: float, *, warmup: float) -> float:
    """Rise from 1/25 to 1 during `warmup`, then fall to 1/250,000, both along half a cosine.

    After L. Smith and N. Topin, "Super-Convergence", arXiv 1708.07120, with PyTorch's numbers; the momentum stays.

    >>> [round(one_cycle(progress, warmup=0.3), 6) for progress in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 4e-06]
    """
    if progress < warmup:
        return _half_cosine(1 / _START_DIVISOR, 1.0, progress / warmup)
    return _half_cosine(1.0, 1 / _END_DIVISOR, (progress - warmup) / (1 - warmup))


_FACTORS: dict[str, Callable[..., float]] = {"constant": constant, "cosine": cosine, "one-cycle": one_cycle}


def learning_rate(step: int, steps: int, *, schedule: Schedule, peak: float, warmup: float) -> float:
    """Return the learning rate of the step number `step` of `steps` in the whole training, counted from 0.

    It depends on nothing else, so that a resumed training goes on where it stopped. The first step has progress 0 and
    the last one progress 1.

    Args:
        step: from 0 to ``steps - 1``.
        steps: at least 1.
        schedule: the shape.
        peak: the highest learning rate.
        warmup: share of the training spent on the way up, in [0, 1).

    >>> [round(learning_rate(step, 5, schedule="cosine", peak=0.4, warmup=0.5), 6) for step in range(5)]
    [0.0, 0.2, 0.4, 0.2, 0.0]
    """
    progress = step / max(steps - 1, 1)
    return peak * _FACTORS[schedule](progress, warmup=warmup)


def _half_cosine(start: float, end: float, progress: float) -> float:
    """Go from `start` to `end` along half a cosine, as `progress` goes from 0 to 1.

    >>> round(_half_cosine(1.0, 0.0, 0.25), 6)
    0.853553
    """
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
