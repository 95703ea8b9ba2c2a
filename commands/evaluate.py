"""The command `evaluate`."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..common.progress import ConsoleProgress
from .shared import AllowUnverified, DataDir, RequireSignature, fail, say

if TYPE_CHECKING:
    from ..benchmarks.harness import ModelResult
    from ..benchmarks.kept import Kept
    from ..dataset import Split
    from ..dataset.splits import SplitName
    from ..runtime.runner import Runner
    from ..runtime.trust import Trust

Models = Annotated[
    list[Path] | None, typer.Argument(help="Models; the first is the reference: a .keras file or run folder, usually.")
]
ReferenceFile = Annotated[
    Path | None,
    typer.Option("--reference", help="Compare with predictions that were saved elsewhere, instead of the first model."),
]


def evaluate(
    models: Models = None,
    reference: ReferenceFile = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Exit with 1 if the drop may be more points of accuracy than this.")
    ] = None,
    max_class_drop: Annotated[
        float | None, typer.Option(help="Exit with 1 if any class may lose more points of recall than this.")
    ] = None,
    split: Annotated[
        Literal["test", "validation", "fold"],
        typer.Option(help="Images to evaluate on; fold: the training images that all models left out (train --fold)."),
    ] = "test",
    save_predictions: Annotated[
        Path | None, typer.Option(help="Keep the probabilities in this .npz file, for --reference on another machine.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    allow_unverified: AllowUnverified = False,
    require_signature: RequireSignature = None,
    data_dir: DataDir = None,
) -> None:
    """Compare models on the same images: accuracy, confusion matrices, what was lost.

    Example: fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 0.5
    """
    from ..benchmarks.gate import gate_failures
    from ..benchmarks.predictions import save_predictions as save
    from ..benchmarks.report import Margins, build_report
    from ..common.files import write_json
    from ..runtime.trust import Trust

    paths = model_paths(models or [])
    trust = Trust.chosen(verify=not allow_unverified, signed_by=require_signature)
    images = _load_left_out(paths, data_dir) if split == "fold" else _load_images(split, paths, data_dir)
    results = run_evaluation(paths, images, reference=reference, trust=trust)
    margins = Margins() if max_drop is None else Margins(overall=max_drop)
    report = build_report(results, images, margins=margins)
    if save_predictions:
        save([result.answers for result in results], images, save_predictions)
    if json_file:
        write_json(json_file, report)
    _print_tables(report)
    limits = {"max_drop_points": max_drop, "max_class_drop_points": max_class_drop}
    _apply_gate(gate_failures(report, **limits) if any(limit is not None for limit in limits.values()) else [])


def _load_images(name: SplitName, paths: Sequence[Path], data_dir: Path | None) -> Split:
    """Load a split: of the validation images those that none of the models was trained on."""
    from ..dataset import load_split
    from ..dataset.splits import VALIDATION_COUNT
    from ..train.holdout import common_holdout

    holdout = common_holdout(paths) if name == "validation" else VALIDATION_COUNT
    if holdout != VALIDATION_COUNT:
        say(f"on the {holdout:,} validation images that none of these models was trained on")
    return load_split(name, data_dir, holdout=holdout, progress=ConsoleProgress())


def _load_left_out(paths: Sequence[Path], data_dir: Path | None) -> Split:
    """Load the training images that all of the models left out; validation images are not among them."""
    from ..dataset import load_split
    from ..train.holdout import common_fold

    fold = common_fold(paths)
    images = load_split("train", data_dir, progress=ConsoleProgress()).only(fold)
    say(f"on the {len(images):,} training images of fold {fold}, which none of these models was trained on")
    return images


def _print_tables(report: dict[str, Any]) -> None:
    from ..benchmarks.tables import as_markdown, change_table, class_table, confusion_table, models_table, verdicts

    tables = [models_table(report)]
    for model in report["models"]:
        tables += [confusion_table(model, report["labels"]), class_table(model)]
        if model["comparison"]:
            tables.append(change_table(model))
    for table in tables:
        print(f"{table.title}\n\n{as_markdown(table)}\n")
    print("\n".join(verdicts(report)))


def _apply_gate(failures: list[str]) -> None:
    for line in failures:
        fail(line)
    if failures:
        raise typer.Exit(1)


def model_paths(models: Sequence[Path]) -> list[Path]:
    """Return the files that are meant by files, run folders and names of networks in the box."""
    from ..runtime.locate import named_model
    from ..train.run_folder import find_model

    return [find_model(path) if path.is_dir() else named_model(path) for path in models]


def run_evaluation(
    paths: Sequence[Path],
    images: Split,
    *,
    reference: Path | None = None,
    kept: Kept | None = None,
    trust: Trust | None = None,
) -> list[ModelResult]:
    """Run every model over `images` once.

    Args:
        paths: of the models, see `model_paths`.
        images: what they are evaluated on.
        reference: a file of saved predictions that takes the place of the first model.
        kept: what an earlier benchmark has finished.
        trust: what an exported file must prove first.
    """
    from ..benchmarks.harness import evaluate_models
    from ..benchmarks.predictions import load_predictions

    saved = load_predictions(reference, images)[0] if reference is not None else None
    opened = functools.partial(_open_model, trust=trust)
    return evaluate_models(paths, opened, images, reference=saved, kept=kept, progress=ConsoleProgress())


def _open_model(path: Path, *, trust: Trust | None = None) -> Runner:
    """Open a .keras file with TensorFlow, and anything else with the runtime alone, for answers and not for timing."""
    from ..runtime.runner import check_file, open_runner

    if path.suffix != ".keras":
        return open_runner(path, threads=os.cpu_count() or 1, trust=trust)
    check_file(path)
    from ..train import require_tensorflow

    require_tensorflow()
    from ..train.keras_model import KerasRunner

    return KerasRunner.open(path)
