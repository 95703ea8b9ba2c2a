"""Run every model once over the same images and keep its answers; everything else is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from ..runtime.runner import SUFFIXES, Runner, open_runner
from .comparison import Comparison, compare
from .evaluation import Evaluation, evaluate
from .latency import Latency, measure_latency
from .probe import ColdStart, measure_cold_start

Opener = Callable[[Path], Runner]
"""Opens a model file; the caller's, because a .keras file needs TensorFlow, which this folder does not know."""
_CHUNK = 500


@dataclass(frozen=True)
class Answers:
    """What one model said to every image of a split.

    Attributes:
        name: unique in a report; the file's name.
        format: ``keras``, ``onnx`` or ``tflite``.
        recipe: how it was exported; ``float32`` for Keras.
        size_bytes: of the file.
        probabilities: float32 ``(n, classes)``.
    """

    name: str
    format: str
    recipe: str
    size_bytes: int
    probabilities: npt.NDArray[np.float32]

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable classes, int64 ``(n,)``."""
        predicted: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1).astype(np.int64)
        return predicted


@dataclass(frozen=True)
class ModelResult:
    """Everything known of one model; what was not measured is None."""

    answers: Answers
    evaluation: Evaluation
    comparison: Comparison | None
    latency: Latency | None = None
    cold_start: ColdStart | None = None


def collect_answers(path: Path, runner: Runner, split: Split, *, progress: Progress = silent) -> Answers:
    """Run one model over `split`.

    Raises:
        EdgeError: the model has other classes than the dataset.
    """
    name = model_name(path)
    card = getattr(runner, "card", None)
    labels = card.labels if card is not None else None
    if runner.classes != len(LABELS) or (labels is not None and labels != LABELS):
        got = ", ".join(labels) if labels is not None else f"{runner.classes} classes"
        raise EdgeError(f"{name} has other classes than the dataset", expected=", ".join(LABELS), got=got)
    parts = []
    for start in range(0, len(split), _CHUNK):
        progress(f"evaluating {name}", start, len(split))
        parts.append(runner.infer(split.images[start : start + _CHUNK]))
    progress(f"evaluating {name}", len(split), len(split))
    return Answers(
        name=name,
        format=runner.format,
        recipe=card.recipe if card is not None else "float32",
        size_bytes=path.stat().st_size,
        probabilities=np.concatenate(parts),
    )


def judge(answers: Sequence[Answers], split: Split) -> list[ModelResult]:
    """Score every model's answers and compare them with the first's."""
    reference, *candidates = answers
    results = [ModelResult(reference, evaluate(reference.predicted, split.labels, LABELS), None)]
    for entry in candidates:
        compared = compare(reference.predicted, entry.predicted, split.labels, reference_name=reference.name)
        results.append(ModelResult(entry, evaluate(entry.predicted, split.labels, LABELS), compared))
    return results


def evaluate_models(
    paths: Sequence[Path], open_model: Opener, split: Split, *, progress: Progress = silent
) -> list[ModelResult]:
    """Evaluate the models at `paths` on `split`; the first is the reference.

    Raises:
        EdgeError: no models, the same one twice, or one that cannot be used.
    """
    require_distinct(paths)
    answers = []
    for path in paths:
        with open_model(path) as runner:
            answers.append(collect_answers(path, runner, split, progress=progress))
    return judge(answers, split)


def measure_models(
    results: Sequence[ModelResult],
    paths: Sequence[Path],
    split: Split,
    *,
    threads: int = 1,
    rounds: int = 20,
    progress: Progress = silent,
) -> list[ModelResult]:
    """Add latency, cold start and peak memory to the results of exported models.

    A Keras model has none of them: it is the reference for accuracy, and no device would run it.

    Args:
        results: what `evaluate_models` returned.
        paths: of the same models, in the same order.
        split: its first images are what the models are timed on.
        threads: processor threads.
        rounds: see `measure_latency`.
        progress: told of every step.

    Raises:
        EdgeError: a model cannot be run, here or in a fresh process.
    """
    exported = {model_name(path): path for path in paths if path.suffix in SUFFIXES}
    with ExitStack() as stack:
        runners = {name: stack.enter_context(open_runner(path, threads=threads)) for name, path in exported.items()}
        latencies = measure_latency(runners, split.images[:200], rounds=rounds, progress=progress) if runners else {}
    cold_starts = {}
    for done, (name, path) in enumerate(exported.items()):
        progress("measuring cold start and memory", done, len(exported))
        cold_starts[name] = measure_cold_start(path, threads=threads)
    progress("measuring cold start and memory", len(exported), len(exported))
    return [
        replace(result, latency=latencies.get(result.answers.name), cold_start=cold_starts.get(result.answers.name))
        for result in results
    ]


def require_distinct(paths: Sequence[Path]) -> None:
    """Check that there is a model, and that no two share a name.

    Raises:
        EdgeError: none, or a name twice.
    """
    names = [model_name(path) for path in paths]
    if not names:
        raise EdgeError("no models to evaluate", expected="at least one", hint="run: fmnist-edge export --int8")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EdgeError(f"{', '.join(twice)} is named twice", expected="every model once")


def model_name(path: Path) -> str:
    """Return the name of a model in a report; every run's model is called model.keras, so that takes its folder's.

    >>> model_name(Path("runs/seed/model.keras")), model_name(Path("exports/a.onnx"))
    ('seed/model.keras', 'a.onnx')
    """
    return f"{path.resolve().parent.name}/{path.name}" if path.name == "model.keras" else path.name
