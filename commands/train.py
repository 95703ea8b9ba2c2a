"""The command `train`."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.errors import EdgeError
from ..common.progress import ConsoleProgress
from .shared import DataDir, Json, fail, print_json, say

if TYPE_CHECKING:
    from ..train.run_folder import RunFolder


def train(
    arch: Annotated[
        str | None, typer.Option(help="seed (default), compact, strong, large, search, or path/to/file.py:function.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images (15).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step (128).")] = None,
    precision: Annotated[
        str | None, typer.Option(help="Compute in float32 (default), bfloat16, or auto: the faster.")
    ] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam (default), adamw, or sgd with momentum.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Step size at its highest (0.001).")] = None,
    schedule: Annotated[str | None, typer.Option(help="constant (default), cosine or one-cycle.")] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the training in which the step size rises.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Share of each weight taken off a step.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of units dropped (0.2).")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Share of a label spread over all classes.")] = None,
    weight_average: Annotated[float | None, typer.Option(help="Average the weights: kept a step, as 0.999.")] = None,
    both_sides: Annotated[
        bool | None, typer.Option("--both-sides/--one-side", help="Answer with the mean of picture and mirror image.")
    ] = None,
    quantize_epochs: Annotated[int | None, typer.Option(help="Round as int8 does in the last so many epochs.")] = None,
    patience: Annotated[int | None, typer.Option(help="Stop after so many epochs without a better one.")] = None,
    shift: Annotated[int | None, typer.Option(help="Move pictures by up to so many pixels.")] = None,
    flip: Annotated[bool | None, typer.Option("--flip/--no-flip", help="Mirror every other picture.")] = None,
    rotate: Annotated[float | None, typer.Option(help="Turn pictures by up to so many degrees.")] = None,
    scale: Annotated[float | None, typer.Option(help="Make pictures larger or smaller by up to this share.")] = None,
    shear: Annotated[float | None, typer.Option(help="Slant pictures by up to this slope.")] = None,
    brightness: Annotated[float | None, typer.Option(help="Make lighter or darker by up to this share.")] = None,
    shade: Annotated[float | None, typer.Option(help="Light from one side, up to this share.")] = None,
    photo: Annotated[float | None, typer.Option(help="Share of pictures made to look like photos.")] = None,
    erase: Annotated[float | None, typer.Option(help="Share of pictures with a rectangle painted over.")] = None,
    mixup: Annotated[float | None, typer.Option(help="Blend pictures: concentration, as 0.2.")] = None,
    cutmix: Annotated[float | None, typer.Option(help="Share of pictures with a piece of another.")] = None,
    teacher: Annotated[
        list[str] | None, typer.Option(help="Learn from this model, run or network in the box; may be repeated.")
    ] = None,
    no_teacher: Annotated[bool, typer.Option("--no-teacher", help="Learn from the labels alone.")] = False,
    teacher_weight: Annotated[float | None, typer.Option(help="Teacher against labels, 0 to 1 (0.5).")] = None,
    teacher_temperature: Annotated[float | None, typer.Option(help="Above 1 the teacher is less sure (1).")] = None,
    consistent_teacher: Annotated[
        bool | None,
        typer.Option("--consistent-teacher/--ask-once", help="Ask the teacher about every picture as it was changed."),
    ] = None,
    teachers_in_turn: Annotated[
        bool | None,
        typer.Option("--teachers-in-turn/--all-teachers", help="Ask one consistent teacher a picture, or all."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Fine-tune this .keras file, run, or network in the box.")] = None,
    base_share: Annotated[float | None, typer.Option(help="Share of the base in the finished weights (0).")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order, augmentation and dropout (0).")] = None,
    holdout: Annotated[int | None, typer.Option(help="Keep so many images out, for validation (5000).")] = None,
    fold: Annotated[str | None, typer.Option(help="Leave out this part of the images, as 1/2, to teach it.")] = None,
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only, for a quick try.")] = None,
    variant: Annotated[str | None, typer.Option(help="A variant of the recipe: quick, photos, taught.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The same as --variant quick.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with the options above; the command line wins.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (runs/ARCH-TIME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write logs for TensorBoard, too.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder that says how.

    What is left out is taken from the recipe of the architecture, where it has one (compact), else it is the default in
    brackets. Example: fmnist-edge train --epochs 15
    """
    chosen = _chosen(locals())
    chosen["teacher"] = _teachers(teacher, no_teacher=no_teacher)
    variant = _variant(variant, quick=quick)
    if resume and (config or variant or any(value is not None for value in chosen.values())):
        raise EdgeError("--resume goes on with the options of the run", hint="leave the other options out")
    _print_result(
        run_training(chosen, config, out, data_dir, resume=resume, variant=variant, event_log=tensorboard),
        as_json=as_json,
    )


def _chosen(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those of the command's arguments that are training options; what was left out is None."""
    from ..train.options import TrainOptions

    return {option.name: arguments[option.name] for option in fields(TrainOptions) if option.name in arguments}


def _teachers(teacher: list[str] | None, *, no_teacher: bool) -> list[str] | None:
    if teacher and no_teacher:
        raise EdgeError("--teacher and --no-teacher", expected="one of them", hint="leave one out")
    return [] if no_teacher else teacher or None


def _variant(variant: str | None, *, quick: bool) -> str | None:
    if quick and variant not in {None, "quick"}:
        raise EdgeError("two variants of a recipe", got=f"--quick and --variant {variant}", hint="leave one out")
    return "quick" if quick else variant


def _print_result(folder: RunFolder, *, as_json: bool) -> None:
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    if as_json:
        print_json({"folder": str(folder.path), **metrics})
        return
    print(f"validation accuracy {metrics['validation']['accuracy']:.2%}, {metrics['parameters']:,} parameters")
    print(f"wrote {folder.path}; next: fmnist-edge export --int8")


def run_training(
    chosen: dict[str, Any],
    config: Path | None,
    out: Path | None,
    data_dir: Path | None,
    *,
    resume: bool,
    variant: str | None = None,
    event_log: bool = False,
) -> RunFolder:
    """Begin a training, or go on with one; return its run folder."""
    from ..train.architectures import short_name
    from ..train.options import make_options
    from ..train.run_folder import new_run_path, unfinished_run

    if resume:
        path = out or unfinished_run().path
        options = None
    else:
        options = make_options(chosen, config, variant=variant)
        path = out or new_run_path(short_name(options.arch))
    from ..train import require_tensorflow

    require_tensorflow()
    from ..train import trainer

    shared: dict[str, Any] = {
        "data_dir": data_dir,
        "event_log": event_log,
        "progress": ConsoleProgress(),
        "report": say,
    }
    try:
        return trainer.resume(path, **shared) if options is None else trainer.start(options, path, **shared)
    except KeyboardInterrupt:
        fail(f"interrupted; go on with: fmnist-edge train --resume --out {path}")
        raise typer.Exit(130) from None
