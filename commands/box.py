"""The command `box`, which is for those who make the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..common.box import DATASET, FOLDER, PHOTO, STRONG
from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress
from .shared import DataDir


def box(
    dataset_run: Annotated[
        Path | None, typer.Option(help="Finished run for pictures like those of the dataset.")
    ] = None,
    photo_run: Annotated[Path | None, typer.Option(help="Finished run for photos.")] = None,
    strong_run: Annotated[Path | None, typer.Option(help="Finished run of the stronger network.")] = None,
    photos: Annotated[list[Path] | None, typer.Option(help="Folder of labelled photos to count on.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the models.")] = FOLDER,
    data_dir: DataDir = None,
) -> None:
    """Make the models that come with the package, and the manifest that says whence; those without a run stay.

    Example: fmnist-edge box --dataset-run runs/a --photo-run runs/b --strong-run runs/c --photos tests/data/photos
    """
    from ..export import require_converters

    require_converters()
    from ..export.box import fill_box

    named = {DATASET: dataset_run, PHOTO: photo_run, STRONG: strong_run}
    runs = {name: run for name, run in named.items() if run is not None}
    if not runs:
        raise EdgeError("nothing to put into the box", expected="a finished run", got="none", hint="add --strong-run")
    manifest = fill_box(runs, out, photos=photos or [], data_dir=data_dir, progress=ConsoleProgress())
    for name, model in manifest["models"].items():
        print(f"{name}: {model['command']}")
        for file, entry in model["files"].items():
            validation, test = (model[split]["right"][file] / model[split]["n"] for split in ("validation", "test"))
            print(f"  {file}: {entry['bytes']:,} bytes, validation {validation:.2%}, test {test:.2%}")
    print(f"wrote {out}")
