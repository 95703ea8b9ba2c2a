"""The command line: parse, call one function, print. Every heavy import happens inside the command that needs it.

Exit codes: 0 done, 1 a negative verdict, 2 bad input or usage. Results go to standard output, progress to standard
error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .common.errors import EdgeError
from .common.progress import ConsoleProgress

if TYPE_CHECKING:
    from .benchmarks.harness import ModelResult
    from .runtime.classifier import Classifier
    from .runtime.runner import Runner
    from .train.run_folder import RunFolder

app = typer.Typer(
    name="fmnist-edge",
    help="Fashion-MNIST from training to a Raspberry Pi, with proof of what was lost on the way.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # importing rich would double the time of --help
    pretty_exceptions_enable=False,
)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Folder with the four files of Fashion-MNIST; fetched if left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int, typer.Option("--threads", help="Processor threads for one picture.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an expected error becomes one line on standard error and its exit code."""
    try:
        app(None if arguments is None else list(arguments), prog_name="fmnist-edge")
    except EdgeError as error:
        _fail(str(error))
        sys.exit(error.exit_code)


def _fail(line: str) -> None:
    print(f"fmnist-edge: {line}", file=sys.stderr)


def _print_json(content: Any) -> None:
    print(json.dumps(content, ensure_ascii=False))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from . import __version__

        print(f"fmnist-edge {__version__}")
        raise typer.Exit


@app.command()
def data(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Find or fetch the dataset, verify it, say where it is.

    Example: fmnist-edge data
    """
    from .dataset import load_split, locate

    progress = ConsoleProgress()
    folder = locate(data_dir, progress=progress)
    counts = {name: len(load_split(name, folder)) for name in ("train", "validation", "test")}
    if as_json:
        _print_json({"folder": str(folder), **counts})
        return
    print(f"Fashion-MNIST, verified, in {folder}")
    print("  " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))


@app.command()
def train(
    arch: Annotated[str | None, typer.Option(help="Architecture: seed (default) or compact.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images (15).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step (128).")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Adam's step size (0.001).")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of units dropped (0.2).")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and dropout (0).")] = None,
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only, for a quick try.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with the options above; the command line wins.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder (runs/ARCH-TIME).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Train a model and write a run folder that says how.

    Example: fmnist-edge train --epochs 15
    """
    chosen = {
        "arch": arch,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "dropout": dropout,
        "seed": seed,
        "limit": limit,
    }
    if resume and (config or any(value is not None for value in chosen.values())):
        raise EdgeError("--resume goes on with the options of the run", hint="leave the other options out")
    folder = _train(chosen, config, out, data_dir, resume=resume)
    metrics = json.loads(folder.metrics.read_text(encoding="utf-8"))
    if as_json:
        _print_json({"folder": str(folder.path), **metrics})
        return
    print(f"validation accuracy {metrics['validation']['accuracy']:.2%}, {metrics['parameters']:,} parameters")
    print(f"wrote {folder.path}; next: fmnist-edge export --int8")


def _train(
    chosen: dict[str, Any], config: Path | None, out: Path | None, data_dir: Path | None, *, resume: bool
) -> RunFolder:
    from .train.options import make_options
    from .train.run_folder import new_run_path, unfinished_run

    if resume:
        path = out or unfinished_run().path
        options = None
    else:
        options = make_options(chosen, config)
        path = out or new_run_path(options.arch)
    from .train import require_tensorflow

    require_tensorflow()
    from .train import trainer

    shared: dict[str, Any] = {"data_dir": data_dir, "progress": ConsoleProgress(), "report": _say}
    try:
        return trainer.resume(path, **shared) if options is None else trainer.start(options, path, **shared)
    except KeyboardInterrupt:
        _fail(f"interrupted; go on with: fmnist-edge train --resume --out {path}")
        raise typer.Exit(130) from None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@app.command()
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
    for path, recipe, size_bytes in _export(model, names, kind, out, data_dir, force=force, max_drop=max_drop):
        if as_json:
            _print_json({"path": str(path), "recipe": recipe, "size_bytes": size_bytes})
        else:
            print(f"wrote {path} ({size_bytes / 1e6:.2f} MB)")


def _export(
    model: Path | None,
    names: Sequence[str],
    kind: str,
    out: Path,
    data_dir: Path | None,
    *,
    force: bool,
    max_drop: float | None = None,
) -> list[tuple[Path, str, int]]:
    from .train.run_folder import find_model

    path = find_model(model)  # before the seconds that TensorFlow takes
    from .export import require_converters

    require_converters()
    from .export.exporter import export as run
    from .export.recipe import FORMATS, RECIPES

    formats = [entry for entry in FORMATS if kind in {entry, "both"}]
    recipes = [RECIPES[name] for name in names]
    shared: dict[str, Any] = {"data_dir": data_dir, "force": force, "progress": ConsoleProgress()}
    written = run(path, recipes, formats, out, max_drop_points=max_drop, **shared)
    return [(file.path, file.recipe, file.size_bytes) for file in written]


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    model: Annotated[Path | None, typer.Option(help="An .onnx or .tflite file (the newest in exports/).")] = None,
    top: Annotated[int, typer.Option(help="How many classes to show.", min=1)] = 1,
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say what is on a picture.

    Example: fmnist-edge predict picture.png --top 3
    """
    from .runtime.classifier import Classifier
    from .runtime.locate import default_model

    failures = 0
    with Classifier(model or default_model(), threads=threads) as classifier:
        for image in images:
            try:
                _print_prediction(classifier, image, top, as_json=as_json)
            except EdgeError as error:
                _fail(str(error))
                failures += 1
    if failures:
        raise typer.Exit(2 if failures == len(images) else 1)


def _print_prediction(classifier: Classifier, image: Path, top: int, *, as_json: bool) -> None:
    prediction = classifier.predict(image)
    ranked = prediction.top(top)
    if as_json:
        best = [{"label": label, "probability": probability} for label, probability in ranked]
        answer = {"label": prediction.label, "index": prediction.index, "probability": prediction.probability}
        _print_json({"file": str(image), **answer, "top": best})
    else:
        print(f"{image}: " + ", ".join(f"{label} {probability:.1%}" for label, probability in ranked))


@app.command()
def evaluate(
    reference: Annotated[Path, typer.Argument(help="The model to compare with: a .keras file or run folder, usually.")],
    candidates: Annotated[list[Path] | None, typer.Argument(help="Exported models.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Exit with 1 if the drop may be more points of accuracy than this.")
    ] = None,
    split: Annotated[Literal["test", "validation"], typer.Option(help="Images to evaluate on.")] = "test",
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Compare models on the same images: accuracy, confusion matrices, what was lost.

    Example: fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 0.5
    """
    from .benchmarks.gate import gate_failures
    from .benchmarks.report import build_report
    from .benchmarks.tables import as_markdown, class_table, confusion_table, models_table
    from .common.files import write_json
    from .dataset import load_split

    images = load_split(split, data_dir, progress=ConsoleProgress())
    results, _ = _evaluate([reference, *(candidates or [])], images)
    report = build_report(results, images)
    if json_file:
        write_json(json_file, report)
    tables = [models_table(report)]
    for model in report["models"]:
        tables += [confusion_table(model, report["labels"]), class_table(model)]
    for table in tables:
        print(f"{table.title}\n\n{as_markdown(table)}\n")
    _apply_gate([] if max_drop is None else gate_failures(report, max_drop_points=max_drop))


def _apply_gate(failures: list[str]) -> None:
    for line in failures:
        _fail(line)
    if failures:
        raise typer.Exit(1)


def _evaluate(models: Sequence[Path], images: Any) -> tuple[list[ModelResult], list[Path]]:
    from .benchmarks.harness import evaluate_models
    from .train.run_folder import find_model

    paths = [find_model(path) if path.is_dir() else path for path in models]
    return evaluate_models(paths, _open_model, images, progress=ConsoleProgress()), paths


def _open_model(path: Path) -> Runner:
    """Open a .keras file with TensorFlow, and anything else with the runtime alone, for answers and not for timing."""
    from .runtime.runner import check_file, open_runner

    if path.suffix != ".keras":
        return open_runner(path, threads=os.cpu_count() or 1)
    check_file(path)
    from .train import require_tensorflow

    require_tensorflow()
    from .train.keras_model import KerasRunner

    return KerasRunner.open(path)


@app.command()
def benchmark(
    models: Annotated[list[Path], typer.Argument(help="Models; the first is the reference.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("report"),
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option(help="Blocks of 20 runs for each model's latency.", min=1)] = 20,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Measure accuracy, latency, size and memory, and write a report.

    Example: fmnist-edge benchmark runs/latest exports/*
    """
    report, written = _benchmark(models, out, threads, rounds, data_dir)
    if as_json:
        _print_json(report)
        return
    _print_report(report, written)


def _benchmark(
    models: Sequence[Path], out: Path, threads: int, rounds: int, data_dir: Path | None
) -> tuple[dict[str, Any], list[Path]]:
    from .benchmarks.figures import require_matplotlib
    from .benchmarks.harness import measure_models
    from .benchmarks.report import build_report, write_report
    from .common.files import require_writable
    from .dataset import load_split

    require_matplotlib()
    require_writable(out)
    progress = ConsoleProgress()
    images = load_split("test", data_dir, progress=progress)
    results, paths = _evaluate(models, images)
    results = measure_models(results, paths, images, threads=threads, rounds=rounds, progress=progress)
    report = build_report(results, images, threads=threads)
    return report, write_report(report, out, progress=progress)


def _print_report(report: dict[str, Any], written: Sequence[Path]) -> None:
    from .benchmarks.tables import as_markdown, key_lines, models_table

    print(f"{as_markdown(models_table(report))}\n")
    print("\n".join(key_lines(report)))
    print("report: " + ", ".join(str(path) for path in written if path.stem == "report"))


@app.command()
def demo(
    epochs: Annotated[int, typer.Option(help="Passes over the training images; 15 for the real thing.", min=1)] = 1,
    arch: Annotated[str, typer.Option(help="Architecture.")] = "seed",
    limit: Annotated[int | None, typer.Option(help="Train on the first so many images only.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for everything.")] = Path("demo"),
    data_dir: DataDir = None,
) -> None:
    """Walk the whole path on the real data: train, export, evaluate, benchmark, report.

    An interrupted or finished training in the folder is gone on with. Example: fmnist-edge demo --epochs 15
    """
    from .train.run_folder import RunFolder

    data(data_dir)
    run = RunFolder(out / "run")
    if run.is_finished():
        _say(f"using the model that was trained in {run.path}")
    elif run.is_started():
        _say(f"going on with the training in {run.path}")
        _train({}, None, run.path, data_dir, resume=True)
    else:
        passes = "one pass" if epochs == 1 else f"{epochs} passes"
        amount = "the whole training set" if limit is None else f"the first {limit:,} training images"
        _say(f"training {arch} for {passes} over {amount} (--epochs 15 for the real thing)")
        _train({"arch": arch, "epochs": epochs, "limit": limit}, None, run.path, data_dir, resume=False)
    exported = _export(
        run.path, ["float32", "float16", "dynamic", "int8"], "both", out / "exports", data_dir, force=True
    )
    models = [run.path, *(path for path, _, _ in exported)]
    report, written = _benchmark(models, out / "report", 1, 20, data_dir)
    _print_report(report, written)


if __name__ == "__main__":
    main()
