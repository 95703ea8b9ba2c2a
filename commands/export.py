"""The command `export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..common.progress import ConsoleProgress
from .shared import DataDir, Json, print_json

if TYPE_CHECKING:
    from ..export.exporter import ExportedFile


def export(
    model: Annotated[Path | None, typer.Argument(help="A .keras file or a run folder (runs/latest).")] = None,
    int8: Annotated[bool, typer.Option("--int8", help="int8 weights and activations (default).")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="float16 weights.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="int8 weights, float activations.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="As trained.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every recipe.")] = False,
    kind: Annotated[Literal["onnx", "tflite", "both"], typer.Option("--format", help="File format.")] = "both",
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exports"),
    max_drop: Annotated[
        float | None,
        typer.Option(help="Write no file that may lose more points of accuracy on the validation images than this."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write files for a device: quantized TFLite and ONNX.

    Example: fmnist-edge export --int8
    """
    flags = {"float32": float32, "float16": float16, "dynamic": dynamic, "int8": int8}
    names = [name for name, chosen in flags.items() if chosen or everything] or ["int8"]
    for file in run_export(model, names, kind, out, data_dir, force=force, max_drop=max_drop):
        _show(file, as_json=as_json)


def _show(file: ExportedFile, *, as_json: bool) -> None:
    from ..export.inspection_tables import summary

    if as_json:
        figures = {"path": str(file.path), "recipe": file.recipe, "size_bytes": file.size_bytes}
        print_json(figures | {"audit": file.inspection.as_audit()})
    else:
        print(f"wrote {file.path} ({file.size_bytes / 1e6:.2f} MB)\n{summary(file.inspection)}")


def run_export(
    model: Path | None,
    names: Sequence[str],
    kind: str,
    out: Path,
    data_dir: Path | None,
    *,
    force: bool,
    max_drop: float | None = None,
) -> list[ExportedFile]:
    """Export `model` by the recipes in `names`; return what was written."""
    from ..train.run_folder import find_model

    path = find_model(model)  # before the seconds that TensorFlow takes
    from ..export import require_converters

    require_converters()
    from ..export.exporter import export as run
    from ..export.recipe import FORMATS, RECIPES

    formats = [entry for entry in FORMATS if kind in {entry, "both"}]
    recipes = [RECIPES[name] for name in names]
    shared: dict[str, Any] = {"data_dir": data_dir, "force": force, "progress": ConsoleProgress()}
    return run(path, recipes, formats, out, max_drop_points=max_drop, **shared)
