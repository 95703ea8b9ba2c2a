"""Run every model once over the same images and keep its answers; everything else is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.errors import EdgeError
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from ..runtime.runner import Runner
from .answers import Answers, collect_answers, model_name
from .boards.measure import BoardMeasurement
from .calibration import Calibration, calibrate
from .changes import ClassChange, ImageChange, ProbabilityChange, class_changes, image_changes, probability_change
from .comparison import Comparison, compare
from .evaluation import Evaluation, evaluate
from .fingerprint import file_sha256
from .kept import Kept
from .latency import Latency
from .probe import ColdStart
from .sustained import Sustained
from .throughput import Throughput
from .weights import read_weight_bytes

Opener = Callable[[Path], Runner]
"""Opens a model file; the caller's, because a .keras file needs TensorFlow, which this folder does not know."""


@dataclass(frozen=True)
class ModelResult:
    """Everything known of one model; what was not measured is None."""

    answers: Answers
    evaluation: Evaluation
    calibration: Calibration
    comparison: Comparison | None = None
    classes: tuple[ClassChange, ...] = ()
    flips: tuple[ImageChange, ...] = ()
    shift: ProbabilityChange | None = None
    latency: Latency | None = None
    throughput: Throughput | None = None
    sustained: Sustained | None = None
    cold_start: ColdStart | None = None
    boards: tuple[BoardMeasurement, ...] = ()
    weight_bytes: dict[str, int] | None = None


def judge(answers: Sequence[Answers], split: Split) -> list[ModelResult]:
    """Score every model's answers and compare them with the first's."""
    reference, *candidates = answers
    first = _score(reference, split)
    return [first, *(_compare(first, _score(entry, split), split) for entry in candidates)]


def _score(answers: Answers, split: Split) -> ModelResult:
    evaluation = evaluate(answers.predicted, split.labels, LABELS)
    return ModelResult(answers, evaluation, calibrate(answers.probabilities, split.labels))


def _compare(reference: ModelResult, candidate: ModelResult, split: Split) -> ModelResult:
    before, after = reference.answers, candidate.answers
    compared = compare(before.predicted, after.predicted, split.labels, reference_name=before.name)
    return replace(
        candidate,
        comparison=compared,
        classes=class_changes(
            before.predicted, after.predicted, split.labels, reference.evaluation, candidate.evaluation
        ),
        flips=image_changes(before.probabilities, after.probabilities, split.labels, compared.flipped),
        shift=probability_change(before.probabilities, after.probabilities, split.labels),
    )


def evaluate_models(
    paths: Sequence[Path],
    open_model: Opener,
    split: Split,
    *,
    reference: Answers | None = None,
    kept: Kept | None = None,
    progress: Progress = silent,
) -> list[ModelResult]:
    """Evaluate the models at `paths` on `split`; the first is the reference, unless another is given.

    Args:
        paths: of the models.
        open_model: opens one.
        split: the images.
        reference: answers that were saved elsewhere.
        kept: what an earlier benchmark has finished.
        progress: told of every step.

    Raises:
        EdgeError: no models, the same one twice, or one that cannot be used.
    """
    require_distinct(paths, reference)
    answers = [] if reference is None else [reference]
    answers += [_answers(path, open_model, split, kept, progress) for path in paths]
    weights = {model_name(path): read_weight_bytes(path) for path in paths}
    return [replace(result, weight_bytes=weights.get(result.answers.name)) for result in judge(answers, split)]


def _answers(path: Path, open_model: Opener, split: Split, kept: Kept | None, progress: Progress) -> Answers:
    def collect() -> Answers:
        with open_model(path) as runner:
            return collect_answers(path, runner, split, progress=progress)

    if kept is None or not path.is_file():  # whoever opens what is not there says what is wrong
        return collect()
    return kept.answers(model_name(path), file_sha256(path), split, collect)


def require_distinct(paths: Sequence[Path], reference: Answers | None = None) -> None:
    """Check that there is a model, and that no two share a name.

    Raises:
        EdgeError: none, or a name twice.
    """
    names = [model_name(path) for path in paths]
    if not names:
        raise EdgeError("no models to evaluate", expected="at least one", hint="run: fmnist-edge export --int8")
    names += [] if reference is None else [reference.name]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EdgeError(f"{', '.join(twice)} is named twice", expected="every model once")
