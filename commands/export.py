"""The command `export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..common.progress import ConsoleProgress
from ..export.recipe import FORMATS, GENERIC, RECIPES, Format, Target, possible_pairs, refused_pairs
from .shared import DataDir, Json, print_json, say

Kind = Literal["onnx", "tflite", "both", "c"]


def _flag(name: str) -> Any:
    """Return the option of a recipe; a test holds the parameters of `export` against `RECIPES`."""
    return typer.Option(f"--{name}", help=f"{RECIPES[name].purpose}.")


if TYPE_CHECKING:
    from ..export.exporter import ExportedFile


def export(
    model: Annotated[Path | None, typer.Argument(help="A .keras file or a run folder (runs/latest).")] = None,
    int8: Annotated[bool, _flag("int8")] = False,
    int16x8: Annotated[bool, _flag("int16x8")] = False,
    float16: Annotated[bool, _flag("float16")] = False,
    dynamic: Annotated[bool, _flag("dynamic")] = False,
    float32: Annotated[bool, _flag("float32")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Every recipe that the format has.")] = False,
    kind: Annotated[
        Kind, typer.Option("--format", help="File format; both is onnx and tflite, c is for microcontrollers.")
    ] = "both",
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exports"),
    max_drop: Annotated[
        float | None,
        typer.Option(help="Write no file that may lose more points of accuracy on the validation images than this."),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option(help="Round int8 weights anew so that their errors cancel, where it helps on validation images."),
    ] = True,
    target: Annotated[
        Target, typer.Option(help="Processors of the int8 ONNX file; arm-dot: a Pi 5 and no other, and not x86.")
    ] = "generic",
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    sign_key: Annotated[
        Path | None, typer.Option(help="Sign every file with this private key (PEM), as fmnist-edge sign does.")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Write files for a device: quantized TFLite and ONNX, or C source; int8 where no recipe is named.

    Example: fmnist-edge export --int8
    """
    flags = {"float32": float32, "float16": float16, "dynamic": dynamic, "int8": int8, "int16x8": int16x8}
    names = list(flags) if everything else [name for name, chosen in flags.items() if chosen] or ["int8"]
    options: dict[str, Any] = {"force": force, "max_drop": max_drop, "leave_out": everything}
    options |= {"recover": recover, "target": target, "sign_key": sign_key}
    for file in run_export(model, names, kind, out, data_dir, **options):
        _show(file, as_json=as_json)


def _show(file: ExportedFile, *, as_json: bool) -> None:
    from ..export.inspection_tables import summary

    if as_json:
        figures = {"path": str(file.path), "recipe": file.recipe, "size_bytes": file.size_bytes}
        print_json(figures | {"audit": file.inspection.as_audit()})
        return
    print(f"wrote {file.path} ({file.size_bytes / 1e6:.2f} MB)")
    if file.path.suffix != ".h":  # a header belongs to the source that was told of before it
        print(summary(file.inspection))


def run_export(
    model: Path | None,
    names: Sequence[str],
    kind: Kind,
    out: Path,
    data_dir: Path | None,
    *,
    force: bool,
    max_drop: float | None = None,
    recover: bool = False,
    target: Target = GENERIC,
    leave_out: bool = False,
    sign_key: Path | None = None,
) -> list[ExportedFile]:
    """Export `model` by the recipes in `names`; return what was written.

    A recipe that only one of both formats has is exported to that one, and a line says so. A recipe that none of the
    formats has is refused, or left out with a line if `leave_out`.
    """
    formats: Sequence[Format] = FORMATS if kind == "both" else (kind,)
    wanted = [RECIPES[name] for name in names]
    recipes = [recipe for recipe in wanted if not leave_out or any(entry not in recipe.refusals for entry in formats)]
    possible_pairs(recipes, formats)  # before the seconds that TensorFlow takes
    for line in refused_pairs(wanted, formats):
        say(f"left out: {line}")
    from ..train.run_folder import find_model

    path = find_model(model)  # before the seconds that TensorFlow takes
    from ..export import require_converters
    from ..export.signing import Signer

    signer = Signer.load(sign_key) if sign_key else None
    require_converters()
    from ..export.exporter import export as run

    shared: dict[str, Any] = {"data_dir": data_dir, "force": force, "progress": ConsoleProgress()}
    shared |= {"recover": recover, "target": target, "signer": signer}
    return run(path, recipes, formats, out, max_drop_points=max_drop, **shared)
