"""Where the trials of a study are kept: a database that several processes and machines may share."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from ...common.errors import EdgeError
from .objectives import ACCURACY, Objective
from .processes import is_gone, own_process

HEARTBEAT_S = 30
GRACE_S = 180
"""A process on another machine that was not heard of for so long is taken for dead."""
MOST_TRIES = 3
"""A trial whose process was killed as often is left alone: it may be what kills them."""
RETRY_OF = "retry_of"
FOLDER = "folder"
PROCESS = "process"
_IDENTITY = "fmnist-edge"
_BUSY_S = 60
_STARTUP_TRIALS = 5


@dataclass(frozen=True)
class Identity:
    """What must be the same for all trials of a study, or they could not be compared.

    Attributes:
        objectives: their names.
        space: as `Space.as_json` writes it.
        data: SHA-256 of the training and the validation split.
    """

    objectives: tuple[str, ...]
    space: dict[str, Any]
    data: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "objectives": list(self.objectives)}


class _Storage(RDBStorage):
    """A database whose short absence does not kill the thread that tells it that a trial goes on.

    A trial is not said to run before it is said by whom: one that was killed between the two would run for ever.
    """

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Do what Optuna does, and name this process as the one that runs a trial, before it is said to run."""
        if state != TrialState.RUNNING:
            return super().set_trial_state_values(trial_id, state, values)
        self.set_trial_user_attr(trial_id, PROCESS, own_process())
        taken = super().set_trial_state_values(trial_id, state, values)
        if taken:
            self.set_trial_user_attr(trial_id, PROCESS, own_process())  # another one may have wanted it at once
        return taken

    def record_heartbeat(self, trial_id: int) -> None:
        with contextlib.suppress(SQLAlchemyError, optuna.exceptions.StorageInternalError):
            super().record_heartbeat(trial_id)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let Optuna say nothing of its own: its lines are not ours, and its heartbeat calls itself experimental."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextlib.contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turn what a database does when it cannot be reached into one line.

    Raises:
        EdgeError: it cannot.
    """
    try:
        yield
    except ImportError as error:
        hint = "pip install psycopg2-binary (PostgreSQL) or PyMySQL (MySQL)"
        got = str(error.__cause__ or error)
        raise EdgeError(f"no driver for the storage {shown(url)}", got=got, hint=hint) from error
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        expected = "a database, such as sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
        cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
        got = str(getattr(cause, "orig", None) or cause).splitlines()[0]
        hint = "what was finished is kept; the same command goes on when the storage is back"
        raise EdgeError(f"cannot reach the storage {shown(url)}", expected=expected, got=got, hint=hint) from error


def shown(url: str) -> str:
    """Return a storage's address without its password.

    >>> shown("postgresql://me:secret@host/search"), shown("nonsense")
    ('postgresql://me:***@host/search', 'nonsense')
    """
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def open_study(url: str, name: str, objectives: tuple[Objective, ...], identity: Identity) -> optuna.Study:
    """Begin the study `name`, or join it.

    Raises:
        EdgeError: the storage cannot be reached, or the study has other objectives, another space or other data.
    """
    with reachable(url):
        storage = _open(url)
        with quiet():
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                directions=[objective.direction for objective in objectives],
                pruner=optuna.pruners.MedianPruner(_STARTUP_TRIALS, n_warmup_steps=2),
                load_if_exists=True,
            )
        if _IDENTITY not in study.user_attrs and not study.get_trials(deepcopy=False):
            study.set_user_attr(_IDENTITY, identity.as_json())
        _require_same(study, identity)
        return study


def find_study(url: str, name: str) -> optuna.Study:
    """Return the study `name` to look at.

    Raises:
        EdgeError: the storage cannot be reached, or there is no such study.
    """
    missing = EdgeError(f"no study {name!r} in {shown(url)}", hint="run some trials: fmnist-edge tune --trials 10")
    with reachable(url):
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
            raise missing  # SQLite would make an empty file
        try:
            study = optuna.load_study(study_name=name, storage=_open(url))
        except KeyError:
            raise missing from None
        _require_identity(study)
        return study


def objectives_of(study: optuna.Study) -> tuple[Objective, ...]:
    """Return the objectives that a study was begun with."""
    return tuple(Objective(name) for name in study.user_attrs[_IDENTITY]["objectives"])


def requeue(study: optuna.Study, trial: FrozenTrial) -> None:
    """Have a trial whose process ended run again, from its last whole epoch where its folder is at hand."""
    tried = [*trial.user_attrs.get(RETRY_OF, []), trial.number]
    if len(tried) >= MOST_TRIES:
        return
    folder = trial.user_attrs.get(FOLDER)
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={RETRY_OF: tried, **({FOLDER: folder} if folder else {})},
        )
    )


def ask_for_one(study: optuna.Study) -> None:
    """Have a trial wait to be run, unless one does: only those that waited are never without the name of a process."""
    if not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.add_trial(optuna.create_trial(state=TrialState.WAITING))


def bury(study: optuna.Study) -> None:
    """Mark the trials of killed processes as failed, and have them run again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_gone(trial.user_attrs.get(PROCESS, "")):
            with contextlib.suppress(ValueError, optuna.exceptions.UpdateFinishedTrialError):
                study.tell(trial.number, state=TrialState.FAIL)  # another process may have been faster
                requeue(study, trial)
    with quiet():
        optuna.storages.fail_stale_trials(study)  # those on other machines, by their heartbeat


def _open(url: str) -> RDBStorage:
    """Open a storage; of several processes that come to an empty one at once, one makes the tables."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not parsed.database:
        raise EdgeError("a storage in memory keeps nothing", expected="sqlite:///FILE", got=url)
    options = {"connect_args": {"timeout": _BUSY_S}} if parsed.get_backend_name() == "sqlite" else {}
    for pause_s in (0.2, 1.0, 3.0):
        try:
            return _connect(url, options)
        except (DBAPIError, RuntimeError) as error:
            if not isinstance(error, (IntegrityError, RuntimeError)) and "already exists" not in str(error):
                raise
            time.sleep(pause_s)
    try:
        return _connect(url, options)
    except RuntimeError as error:
        raise EdgeError(f"the storage {shown(url)} is of another version of Optuna", got=str(error)) from error


def _connect(url: str, options: dict[str, Any]) -> RDBStorage:
    with quiet():
        return _Storage(
            url,
            engine_kwargs=options,
            heartbeat_interval=HEARTBEAT_S,
            grace_period=GRACE_S,
            heartbeat_stale_trial_callback=requeue,
        )


def _require_identity(study: optuna.Study) -> dict[str, Any]:
    found = study.user_attrs.get(_IDENTITY)
    if not isinstance(found, dict):
        hint = "name another --study"
        raise EdgeError(f"the study {study.study_name} was not begun by fmnist-edge tune", hint=hint)
    return found


def _require_same(study: optuna.Study, identity: Identity) -> None:
    """Check that new trials can be compared with those that the study has."""
    found, wanted, name = _require_identity(study), identity.as_json(), study.study_name
    hint = "name another --study"
    if found["objectives"] != wanted["objectives"]:
        expected, got = (", ".join(content["objectives"]) for content in (found, wanted))
        raise EdgeError(f"the study {name} has other objectives", expected=expected, got=got, hint=hint)
    if found["data"] != wanted["data"]:
        raise EdgeError(f"the study {name} was begun with another dataset", expected="the same images", hint=hint)
    for key in sorted({*found["space"], *wanted["space"]}):
        there, here = (content["space"].get(key) for content in (found, wanted))
        if there != here:
            expected, got = f"{key} = {there}", f"{key} = {here}"
            raise EdgeError(f"the study {name} searches another space", expected=expected, got=got, hint=hint)


def is_single(objectives: tuple[Objective, ...]) -> bool:
    """Tell whether there is nothing but accuracy to look at, so that a hopeless trial can be given up."""
    return [objective.name for objective in objectives] == [ACCURACY]
