"""The report as one JSON document: schema version 2, described in docs/report.schema.json.

All other forms (Markdown, HTML, pictures, the text on the terminal) are made from this document; only the pixels of the
galleries come from the images themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import EdgeError
from ..common.files import make_folder, write_json, write_text
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from . import latency, throughput
from .calibration import BINS
from .comparison import judge_drop, noninferiority_p
from .conditions import Conditions
from .harness import ModelResult
from .machine import describe_machine, describe_versions
from .markdown import render_markdown
from .measuring import MeasureOptions
from .predictions import dataset_of
from .recommendation import recommend
from .tables import DEFAULT_MARGIN_POINTS
from .weights import recipe_finding

SCHEMA_VERSION = 2
DEFAULT_CLASS_MARGIN_POINTS = 2.0
MISCLASSIFIED = 24
MISCLASSIFIED_SEED = 0
Report = dict[str, Any]


@dataclass(frozen=True)
class Margins:
    """What a candidate may lose and still be called as good, in percentage points, stated before measuring.

    Attributes:
        overall: of accuracy; the whole 95% interval of the drop must lie within.
        of_a_class: of any class's recall, for the recommendation.

    Raises:
        EdgeError: one of them is no number.
    """

    overall: float = DEFAULT_MARGIN_POINTS
    of_a_class: float = DEFAULT_CLASS_MARGIN_POINTS

    def __post_init__(self) -> None:
        for margin in (self.overall, self.of_a_class):
            if not math.isfinite(margin):
                raise EdgeError("unusable margin", expected="a number of percentage points", got=str(margin))


def build_report(
    results: Sequence[ModelResult],
    split: Split,
    *,
    margins: Margins | None = None,
    options: MeasureOptions | None = None,
    conditions: Conditions | None = None,
    training: Sequence[dict[str, float]] | None = None,
) -> Report:
    """Put the results into one document; the first result is the reference.

    Args:
        results: of the models, in order.
        split: what they were evaluated on.
        margins: of the verdicts; None for the usual.
        options: how costs were measured; None where none were.
        conditions: what the machine was like meanwhile.
        training: the epochs of the reference's training, where known.
    """
    margins = margins or Margins()
    models = [_model(result, margins.overall) for result in results]
    recommendation = recommend(
        models,
        margin_points=margins.overall,
        class_margin_points=margins.of_a_class,
        disturbed=bool(conditions and conditions.disturbances),
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "dataset": {**dataset_of(split), "answers": _digits(split.labels)},
        "labels": list(LABELS),
        "reference": results[0].answers.name,
        "recommendation": recommendation,
        "models": models,
        "misclassified": _misclassified(results, split, recommendation["choices"][0]["ship"]),
        "training": None if training is None else [dict(epoch) for epoch in training],
        "conditions": conditions.as_json() if conditions else None,
        "machine": describe_machine(),
        "versions": describe_versions(),
        "method": _method(options),
    }


def _model(result: ModelResult, margin_points: float) -> Report:
    answers, cold = result.answers, result.cold_start
    finding = recipe_finding(answers.name, answers.recipe, result.weight_bytes)
    return {
        "name": answers.name,
        "format": answers.format,
        "recipe": answers.recipe,
        "size_bytes": answers.size_bytes,
        "sha256": answers.sha256,
        "weight_bytes": result.weight_bytes,
        "findings": [finding] if finding else [],
        **result.evaluation.as_json(),
        "answers": _digits(answers.predicted),
        "calibration": result.calibration.as_json(),
        "comparison": _comparison(result, margin_points),
        "latency_ms": result.latency.as_json() if result.latency else None,
        "images_per_second": result.throughput.as_json() if result.throughput else None,
        "sustained": result.sustained.as_json() if result.sustained else None,
        "cold_start_ms": cold.cold_start_ms if cold else None,
        "peak_rss_bytes": cold.peak_rss_bytes if cold else None,
        "boards": [{key: value for key, value in count.as_json().items() if key != "model"} for count in result.boards],
    }


def _comparison(result: ModelResult, margin_points: float) -> Report | None:
    compared = result.comparison
    if compared is None or result.shift is None:
        return None
    p = noninferiority_p(compared.lost, compared.won, result.evaluation.n, margin_points=margin_points)
    return {
        **compared.as_json(),
        "margin_points": margin_points,
        "verdict": judge_drop(compared.accuracy_drop_ci95, margin_points),
        "noninferiority_p": p,
        "classes": [change.as_json() for change in result.classes],
        "flipped": [change.as_json() for change in result.flips],
        "probability_change": result.shift.as_json(),
    }


def _digits(classes: Any) -> str:
    """Write one digit an image: ten classes have one digit each.

    >>> _digits(np.array([9, 2, 1]))
    '921'
    """
    return "".join(map(str, classes.tolist()))


def _misclassified(results: Sequence[ModelResult], split: Split, shipped: str | None) -> Report:
    """Draw images that the shipped model gets wrong, or else the reference; the same ones every time."""
    result = next((entry for entry in results if entry.answers.name == shipped), results[0])
    answers = result.answers
    wrong = np.flatnonzero(answers.predicted != split.labels)
    count = min(MISCLASSIFIED, len(wrong))
    drawn = np.sort(np.random.default_rng(MISCLASSIFIED_SEED).choice(wrong, count, replace=False)) if count else wrong
    images = [
        {
            "image": int(at),
            "label": int(split.labels[at]),
            "answer": int(answers.predicted[at]),
            "probability": float(answers.probabilities[at].max()),
        }
        for at in drawn
    ]
    return {"model": answers.name, "seed": MISCLASSIFIED_SEED, "of": len(wrong), "images": images}


def _method(options: MeasureOptions | None) -> Report:
    statistics = {
        "accuracy_interval": "Wilson, 95%",
        "drop_interval": "Bonett and Price's adjusted Wald for paired data, 95%, percentage points",
        "significance": "McNemar's exact test, two-sided",
        "noninferiority": "the whole 95% interval of the drop within the margin",
        "calibration": f"expected calibration error of the most probable class, {BINS} bins of equal width",
    }
    if options is None:
        return statistics
    return {
        **statistics,
        "threads": options.threads,
        "batch": 1,
        "clock": "time.perf_counter_ns",
        "rounds": options.rounds,
        "warm_up": f"blocks of {latency.BLOCK_RUNS} runs until the medians of {latency.STEADY_BLOCKS} in a row lie "
        f"within {latency.STEADY_SHARE:.0%}, at most {latency.WARM_UP_MOST_BLOCKS}",
        "interleaving": f"random order of models in every round, blocks of {latency.BLOCK_RUNS} runs, "
        f"the first {latency.BLOCK_SKIPPED} of each not counted",
        "latency_interval": f"percentile bootstrap of whole blocks, {latency.RESAMPLES} draws, 95%",
        "throughput": f"{throughput.BATCH} images one at a time and in one call, median of {throughput.ROUNDS} rounds",
        "cold_start": "start of a fresh process to its first answer, median of 5",
        "peak_rss": "highest resident memory of that process, median of 5",
    }


def write_report(report: Report, split: Split, folder: Path, *, progress: Progress = silent) -> list[Path]:
    """Write report.json, the pictures, report.md and report.html into `folder`, and return their paths.

    The JSON comes first, so that it is there when drawing fails. The HTML holds its pictures; the Markdown points to
    them.

    Raises:
        EdgeError: matplotlib is not installed, or the folder cannot be written.
    """
    from .figures import draw_figures, save_pictures  # here: matplotlib is needed for pictures only
    from .page.document import render_page

    make_folder(folder)
    written = [write_json(folder / "report.json", report)]
    figures = draw_figures(report, progress=progress)
    pictures = save_pictures(report, figures, folder, progress=progress)
    written += [picture.path for picture in pictures]
    written.append(write_text(folder / "report.md", render_markdown(report, pictures)))
    written.append(write_text(folder / "report.html", render_page(report, split, figures)))
    return written
