"""The report as one JSON document: schema version 1, described in docs/report.schema.json.

All other forms (Markdown, HTML, pictures, the text on the terminal) are made from this document and know nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.files import make_folder, write_json, write_text
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split
from .harness import ModelResult
from .html import render_html
from .latency import BLOCK_RUNS, BLOCK_SKIPPED, WARM_UP_RUNS
from .machine import describe_machine, describe_versions
from .markdown import render_markdown

SCHEMA_VERSION = 1
Report = dict[str, Any]


def build_report(results: Sequence[ModelResult], split: Split, *, threads: int | None = None) -> Report:
    """Put the results into one document; the first result is the reference.

    Args:
        results: of the models, in order.
        split: what they were evaluated on.
        threads: that latency was measured with; None where none was measured.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "dataset": {"name": "Fashion-MNIST", "split": split.name, "n": len(split), "sha256": split.sha256},
        "labels": list(LABELS),
        "reference": results[0].answers.name,
        "models": [_model(result) for result in results],
        "machine": describe_machine(),
        "versions": describe_versions(),
        "method": _method(threads),
    }


def _model(result: ModelResult) -> dict[str, Any]:
    answers, cold = result.answers, result.cold_start
    return {
        "name": answers.name,
        "format": answers.format,
        "recipe": answers.recipe,
        "size_bytes": answers.size_bytes,
        **result.evaluation.as_json(),
        "comparison": result.comparison.as_json() if result.comparison else None,
        "latency_ms": result.latency.as_json() if result.latency else None,
        "cold_start_ms": cold.cold_start_ms if cold else None,
        "peak_rss_bytes": cold.peak_rss_bytes if cold else None,
    }


def _method(threads: int | None) -> dict[str, Any]:
    intervals = {
        "accuracy_interval": "Wilson, 95%",
        "drop_interval": "Bonett and Price's adjusted Wald for paired data, 95%, percentage points",
        "significance": "McNemar's exact test, two-sided",
    }
    if threads is None:
        return intervals
    latency = {
        "threads": threads,
        "batch": 1,
        "clock": "time.perf_counter_ns",
        "warm_up_runs": WARM_UP_RUNS,
        "interleaving": f"random order of models in every round, blocks of {BLOCK_RUNS} runs, "
        f"the first {BLOCK_SKIPPED} of each not counted",
        "cold_start": "start of a fresh process to its first answer, median of 5",
        "peak_rss": "highest resident memory of that process, median of 5",
    }
    return {**intervals, **latency}


def write_report(report: Report, folder: Path, *, progress: Progress = silent) -> list[Path]:
    """Write report.json, the pictures, report.md and report.html into `folder`, and return their paths.

    The JSON comes first, so that it is there when drawing fails. The HTML holds its pictures; the Markdown points to
    them.

    Raises:
        EdgeError: matplotlib is not installed, or the folder cannot be written.
    """
    from .figures import save_figures  # here: matplotlib is needed for pictures only

    make_folder(folder)
    written = [write_json(folder / "report.json", report)]
    pictures = save_figures(report, folder, progress=progress)
    written += [picture.path for picture in pictures]
    written.append(write_text(folder / "report.md", render_markdown(report, pictures)))
    written.append(write_text(folder / "report.html", render_html(report, pictures)))
    return written
