"""The command `camera`."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import typer

from ..common.errors import EdgeError
from .lean import use_one_thread
from .printing import table_writer, write_json, write_now
from .shared import AllowUnverified, Backend, Json, Model, RequireSignature, Runtime, Threads, Top, fail, say, used


def camera(
    every: Annotated[float, typer.Option(help="Seconds from one picture to the next.", min=0, max=86_400)] = 2.0,
    count: Annotated[int | None, typer.Option(help="How many pictures (until Ctrl-C).", min=1)] = None,
    number: Annotated[int, typer.Option("--camera", help="Which camera, where there are several.", min=0)] = 0,
    model: Model = None,
    top: Top = 1,
    backend: Backend = Runtime.AUTO,
    threads: Threads = 1,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    as_json: Json = False,
) -> None:
    """Say what a camera sees, until Ctrl-C.

    Example: fmnist-edge camera --every 5
    """
    use_one_thread()
    from ..runtime.camera import SteadyCamera, classify_frames, open_camera
    from ..runtime.classifier import Classifier
    from ..runtime.locate import choose_model

    def report(error: EdgeError) -> None:
        fail(f"{error}; trying again")

    trusted: dict[str, Any] = {"verify": not allow_unverified, "signed_by": require_signature}
    write = functools.partial(write_json, key="time") if as_json else table_writer([])
    chosen = choose_model(model)
    try:
        with (
            Classifier(chosen, threads=threads, backend=backend.value, **trusted) as classifier,
            SteadyCamera(lambda: open_camera(number), report) as steady,
        ):
            say(f"looking every {every:g} s with {used(chosen)}; Ctrl-C ends")
            write_now(classify_frames(classifier, steady, every_s=every, count=count), write, top)
    except KeyboardInterrupt:
        return
