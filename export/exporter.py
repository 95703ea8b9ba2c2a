"""From a trained model to finished files: every recipe and format asked for, each with its card, whole or absent."""

from __future__ import annotations

import functools
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras

from ..common.errors import EdgeError
from ..common.files import atomic_path, read_json, require_writable, sha256_hex
from ..common.progress import Progress, silent
from ..dataset import LABELS, Split, load_split
from ..runtime.card import CARD_VERSION, ModelCard
from ..train.keras_model import load_keras_model
from ..train.run_folder import RunFolder, find_model
from . import onnx_float, onnx_int8, tflite
from .audit import layer_errors
from .calibration import LOGIT_COUNT, LOGIT_SEED, Calibration
from .confidence import fit_confidence
from .gate import Gate
from .int8 import Int8Network, quantize
from .pixels import INPUT, OUTPUT, require_finite, require_probabilities
from .recipe import INT8, Format, Recipe
from .reference import Reference

AUDIT_COUNT = 64
"""Calibration images that layers are compared on."""
_PACKAGES = ("fmnist-edge", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class ExportedFile:
    """One file that was written."""

    path: Path
    recipe: str
    format: Format
    size_bytes: int


def export(
    model: Path | None,
    recipes: Sequence[Recipe],
    formats: Sequence[Format],
    out: Path,
    *,
    data_dir: Path | None = None,
    max_drop_points: float | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> list[ExportedFile]:
    """Write one file for every recipe and format into the folder `out`.

    Args:
        model: a .keras file or a run folder; None is the latest run.
        recipes: what to quantize and how.
        formats: file formats.
        out: folder for files named ``fmnist-ARCH-RECIPE.FORMAT``.
        data_dir: where the dataset is; None looks in the usual places.
        max_drop_points: write no file whose drop on the validation split may be more points than this (the upper end of
            the 95% interval); None lets every file pass.
        force: replace files that exist.
        progress: told of every file.

    Raises:
        EdgeError: the model cannot be exported, or a file exists and `force` is not given; with exit code 1, a file
            does not pass the gate.
    """
    path = find_model(model)
    require_writable(out)
    loaded = load_keras_model(path)
    _require_classes(loaded, path)
    require_finite(loaded, str(path))
    require_probabilities(loaded, str(path))
    targets = [
        (recipe, kind, out / f"fmnist-{loaded.name}-{recipe.name}.{kind}") for recipe in recipes for kind in formats
    ]
    if not force:
        _require_absent([target for _, _, target in targets])
    conversion = _Conversion(loaded, path, data_dir, progress)
    gate = None if max_drop_points is None else Gate(conversion.reference, max_drop_points)
    written = []
    for recipe, kind, target in targets:
        progress(f"exporting {target.name}", 0, 1)
        content = conversion.convert(recipe, kind, target.stem)
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
            if gate is not None:
                explain = functools.partial(conversion.worst_layer, recipe)
                gate.check(temporary, name=target.name, explain=explain)
        written.append(ExportedFile(target, recipe.name, kind, len(content)))
        progress(f"exporting {target.name}", 1, 1)
    return written


class _Conversion:
    """Converts one model; what several files share (calibration, the int8 numbers) is computed once."""

    def __init__(self, model: keras.Model, path: Path, data_dir: Path | None, progress: Progress) -> None:
        self._model = model
        self._training = _training_provenance(path)
        self._data_dir = data_dir
        self._progress = progress
        self.reference = Reference(model, data_dir)

    @functools.cached_property
    def _training_split(self) -> Split:
        return load_split("train", self._data_dir)

    @functools.cached_property
    def _calibration(self) -> Calibration:
        return Calibration.choose(self._training_split)

    @functools.cached_property
    def _logit_calibration(self) -> Calibration:
        return Calibration.choose(self._training_split, count=LOGIT_COUNT, seed=LOGIT_SEED)

    @functools.cached_property
    def _int8(self) -> Int8Network:
        shared = self._calibration, self._logit_calibration, self.reference
        return quantize(self._model, *shared, progress=self._progress)

    @functools.cached_property
    def _confidence(self) -> dict[str, Any]:
        return fit_confidence(self.reference.probabilities, self.reference.split.labels)

    @functools.cached_property
    def _float_onnx(self) -> Any:
        return onnx_float.to_onnx(self._model)  # tf2onnx takes most of a minute for the seed, so once is enough

    def convert(self, recipe: Recipe, kind: Format, name: str) -> bytes:
        """Return the content of the finished file."""
        graph = self._graph(recipe, kind)
        card = self._card(recipe, name, graph)
        if kind == "tflite":
            return tflite.append_card(graph, card)
        content = onnx_float.append_card(graph, card)
        onnx_int8.check_model(content)
        return content

    def worst_layer(self, recipe: Recipe) -> str:
        """Say which layer to look at when `recipe` has lost too much."""
        if recipe is not INT8:
            return "compare with --float32"
        images, network = self._calibration.split.images[:AUDIT_COUNT], self._int8
        worst = layer_errors(network.float_content, network.content, images, network.scaling.apply(images))[0]
        return f"look at {worst.layer}, which strays most from the float model ({worst.sqnr_db:.1f} dB)"

    def _graph(self, recipe: Recipe, kind: Format) -> bytes:
        if recipe is INT8:
            content = self._int8.content
            return content if kind == "tflite" else onnx_int8.translate(content)
        if kind == "tflite":
            return tflite.convert_float(self._model, recipe)
        return onnx_float.apply_recipe(self._float_onnx, recipe)

    def _describe_calibration(self) -> dict[str, Any]:
        described = {**self._int8.describe(), **self._calibration.describe()}
        if self._int8.clips_logits:
            logits = self._logit_calibration.describe(with_indices=False)
            described["logits"] = {"method": "runner-up range", **logits}
        return described

    def _card(self, recipe: Recipe, name: str, graph: bytes) -> ModelCard:
        return ModelCard(
            card_version=CARD_VERSION,
            name=name,
            arch=self._model.name,
            recipe=recipe.name,
            labels=LABELS,
            input={"name": INPUT, "dtype": "uint8", "shape": ["n", 28, 28], "meaning": "grey, 0 is background"},
            output={"name": OUTPUT, "dtype": "float32", "shape": ["n", len(LABELS)], "meaning": "sum to 1"},
            calibration=self._describe_calibration() if recipe.calibrated else None,
            training=self._training,
            versions={"python": platform.python_version(), **{package: version(package) for package in _PACKAGES}},
            graph_bytes=len(graph),
            graph_sha256=sha256_hex(graph),
            confidence=self._confidence,
        )


def _training_provenance(path: Path) -> dict[str, Any] | None:
    """Return options, versions and validation accuracy from the run folder that `path` lies in, if it lies in one."""
    folder = RunFolder(path.parent)
    if path.name != folder.model.name or not folder.is_started():
        return None
    config = folder.read_config()
    metrics = read_json(folder.metrics) if folder.metrics.is_file() else {}
    return {
        "options": config["options"],
        "versions": config.get("versions"),
        "dataset_sha256": config.get("dataset", {}).get("sha256"),
        "validation_accuracy": metrics.get("validation", {}).get("accuracy"),
    }


def _require_classes(model: keras.Model, path: Path) -> None:
    classes = int(model.output_shape[1])
    if classes != len(LABELS):
        expected = f"{len(LABELS)}, as in Fashion-MNIST"
        raise EdgeError(f"{path} has another number of classes", expected=expected, got=str(classes))


def _require_absent(paths: list[Path]) -> None:
    present = [str(path) for path in paths if path.exists()]
    if present:
        raise EdgeError(f"{', '.join(present)} exists", hint="name another --out, or replace it with --force")
