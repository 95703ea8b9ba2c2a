"""The command `watch`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..common.errors import EdgeError
from .lean import use_one_thread
from .predict import As
from .printing import table_writer, write_json, write_now
from .shared import AllowUnverified, Backend, Json, Model, RequireSignature, Runtime, Threads, Top, fail, say


def watch(
    folder: Annotated[Path, typer.Argument(help="Folder that pictures arrive in.")],
    model: Model = None,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.05, max=3600)] = 1.0,
    existing: Annotated[bool, typer.Option(help="Begin with the pictures that are there.")] = False,
    top: Top = 1,
    kind: Annotated[As, typer.Option("--as", help="Dataset pictures are taken as they are.")] = As.AUTO,
    backend: Backend = Runtime.AUTO,
    threads: Threads = 1,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    as_json: Json = False,
) -> None:
    """Say what is on each picture that arrives in a folder, until Ctrl-C.

    Example: fmnist-edge watch photos --every 2
    """
    use_one_thread()
    from ..runtime.classifier import Classifier
    from ..runtime.gather import classify_all
    from ..runtime.locate import default_model
    from ..runtime.watch import FolderWatch

    def report(error: EdgeError) -> None:
        fail(str(error))

    write = write_json if as_json else table_writer([])
    trusted: dict[str, Any] = {"verify": not allow_unverified, "signed_by": require_signature}
    with Classifier(model or default_model(), threads=threads, backend=backend.value, **trusted) as classifier:
        arrivals = FolderWatch(folder, existing=existing, report=report)
        say(f"watching {folder}; Ctrl-C ends")
        try:
            while True:
                arrived = [str(path) for path in arrivals.poll()]
                write_now(classify_all(classifier, arrived, report, kind=kind.value), write, top)
                time.sleep(every)
        except KeyboardInterrupt:
            return
