"""The command `watch`."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import EdgeError
from .lean import use_one_thread
from .predict import As
from .printing import as_json, table_writer, write_json, write_now
from .shared import (
    AllowUnverified,
    Backend,
    Json,
    Model,
    RequireSignature,
    Runtime,
    Threads,
    Top,
    fail,
    say,
    used,
)

if TYPE_CHECKING:
    from ..runtime.classifier import Classifier
    from ..runtime.gather import Answer
    from ..runtime.picture import Kind
    from ..runtime.watch import Stamp

    Note = Callable[[dict[str, Any]], None]


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder that pictures arrive in.")],
    model: Model = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.05, max=3600)] = 1.0,
    existing: Annotated[bool, typer.Option(help="Begin with the pictures that are there.")] = False,
    top: Top = 1,
    kind: Annotated[As, typer.Option("--as", help="Dataset pictures are taken as they are.")] = As.AUTO,
    log: Annotated[
        Path | None,
        typer.Option(help="Add each answer to this file, and begin with the pictures that are not in it."),
    ] = None,
    backend: Backend = Runtime.AUTO,
    threads: Threads = 1,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    print_lines: Json = False,
) -> None:
    """Say what is on each picture that arrives in a folder, until Ctrl-C.

    With --log, one that is begun again after a crash goes on where it was. Example: fmnist-edge watch photos --every 2
    """
    use_one_thread()
    from ..runtime.classifier import Classifier
    from ..runtime.journal import Journal
    from ..runtime.locate import choose_model
    from ..runtime.watch import FolderWatch

    trusted: dict[str, Any] = {"verify": not allow_unverified, "signed_by": require_signature}
    write = write_json if print_lines else table_writer([])
    chosen = choose_model(model)
    with (
        Classifier(chosen, threads=threads, backend=backend.value, **trusted) as classifier,
        nullcontext() if log is None else Journal(log) as journal,
    ):
        arrivals = FolderWatch(
            folder,
            existing=existing or journal is not None,
            told={} if journal is None else journal.told,
            report=lambda error: fail(str(error)),
        )
        say(f"watching {folder} with {used(chosen)}; Ctrl-C ends")
        try:
            while True:
                for path in arrivals.poll():
                    add = journal.add if journal is not None else _forget
                    note = functools.partial(add, path.name, arrivals.stamp_of(path))
                    write_now(_noted(classifier, str(path), kind.value, note, top), write, top)
                time.sleep(every)
        except KeyboardInterrupt:
            return


def _noted(classifier: Classifier, name: str, kind: Kind, note: Note, top: int) -> list[Answer]:
    """Note what is on a picture, or why it cannot be used, and return the answer, if there is one."""
    from ..runtime.gather import Answer, picture_of
    from ..runtime.picture import prepare

    try:
        prepared = prepare(picture_of(name), kind=kind)
    except EdgeError as error:
        note({"error": str(error)})
        fail(str(error))
        return []
    answer = Answer(name, prepared, classifier.predict_prepared(prepared))
    note(as_json(answer, top))  # where the model cannot be used, it is so for every picture, and nothing is noted
    return [answer]


def _forget(name: str, stamp: Stamp, said: dict[str, Any]) -> None:
    """Note nothing: there is no --log."""
