"""The trials of a study as plain data, and which of them no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from .objectives import PARAMETERS, Objective
from .storage import FOLDER, RETRY_OF, bury, find_study, objectives_of, reachable

DONE, PRUNED, FAILED, RETRIED, RUNNING, WAITING = "done", "given up", "failed", "killed", "running", "waiting"
_STATES = {
    TrialState.COMPLETE: DONE,
    TrialState.PRUNED: PRUNED,
    TrialState.FAIL: FAILED,
    TrialState.RUNNING: RUNNING,
    TrialState.WAITING: WAITING,
}
ENDED = (DONE, PRUNED, FAILED)
"""What a trial ends as; a killed one is run again under another number."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: from 0 in the order of their beginning.
        state: ``done``, ``given up``, ``failed``, ``killed`` (and run again), ``running`` or ``waiting``.
        values: by objective; empty unless it is done.
        params: what was chosen, by the names of the space.
        options: all training options; empty where it failed before they were known.
        parameters: of the network; None likewise.
        seconds: it took; None until it ends.
        folder: its run folder's name, or empty.
        error: why it failed, or empty.
    """

    number: int
    state: str
    values: dict[str, float]
    params: dict[str, Any]
    options: dict[str, Any]
    parameters: int | None
    seconds: float | None
    folder: str
    error: str

    def value(self, name: str) -> float:
        """Return an objective's value, or the number of parameters."""
        return float(self.parameters or 0) if name == PARAMETERS else self.values[name]


def read_study(url: str, name: str) -> tuple[list[TrialRecord], tuple[Objective, ...]]:
    """Return the trials of the study `name`, and its objectives; those of killed processes are to run again.

    Raises:
        EdgeError: see `storage.find_study`.
    """
    with reachable(url):
        study = find_study(url, name)
        bury(study)
        objectives = objectives_of(study)
        return read_trials(study, objectives), objectives


def read_trials(study: optuna.Study, objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Return all trials of a study, in their order."""
    trials = study.get_trials(deepcopy=False)
    retried = {number for trial in trials for number in trial.user_attrs.get(RETRY_OF, [])}
    return [_record(trial, objectives, retried=trial.number in retried) for trial in trials]


def _record(trial: FrozenTrial, objectives: Sequence[Objective], *, retried: bool) -> TrialRecord:
    attributes = trial.user_attrs
    names = [objective.name for objective in objectives]
    done = trial.state == TrialState.COMPLETE
    return TrialRecord(
        number=trial.number,
        state=RETRIED if retried and trial.state == TrialState.FAIL else _STATES[trial.state],
        values=dict(zip(names, trial.values, strict=True)) if done else {},
        params=dict(trial.params),
        options=attributes.get("options", {}),
        parameters=attributes.get(PARAMETERS),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        folder=attributes.get(FOLDER, ""),
        error=attributes.get("error", ""),
    )


def front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[TrialRecord]:
    """Return the trials that no other beats in one objective without being beaten in another, best accuracy first.

    Of trials that are alike in everything, the first one stands for all.
    """
    done = [record for record in records if record.state == DONE]
    best = [
        record
        for record in done
        if not any(_beats(_losses(other, objectives), _losses(record, objectives)) for other in done)
    ]
    unlike = {_losses(record, objectives): record for record in reversed(best)}
    return sorted(unlike.values(), key=lambda record: _losses(record, objectives))


def _losses(record: TrialRecord, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """Return the values, accuracy first, turned so that less is better."""
    signed = [
        (objective.direction == "minimize", objective.name, record.values[objective.name]) for objective in objectives
    ]
    return tuple(value if is_cost else -value for is_cost, _, value in sorted(signed, key=lambda entry: entry[0]))


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Tell whether `one` is nowhere worse than `other` and somewhere better; less is better.

    >>> _beats((1.0, 2.0), (1.0, 3.0)), _beats((1.0, 2.0), (1.0, 2.0)), _beats((1.0, 2.0), (0.0, 3.0))
    (True, False, False)
    """
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
