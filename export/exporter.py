"""From a trained model to finished files: every recipe and format asked for, each with its card, whole or absent."""

from __future__ import annotations

import contextlib
import functools
import platform
import tempfile
from collections.abc import Iterator, Sequence
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
from ..train.holdout import holdout_in
from ..train.keras_model import load_keras_model
from ..train.run_folder import RunFolder, find_model
from ..train.sides import one_side
from . import onnx_file, onnx_float, onnx_int8, tflite, tflite_file
from .audit import LayerError, layer_errors
from .c_source import header_path, write_c
from .calibration import LOGIT_COUNT, LOGIT_SEED, Calibration
from .confidence import fit_confidence
from .gate import Gate
from .inspection import Inspection, inspect, require_promised
from .int8 import Int8Network, quantize
from .int16x8 import ROUNDING_COUNT, ROUNDING_SEED, Int16x8Network, quantize_int16x8
from .pixels import INPUT, OUTPUT, require_finite, require_probabilities
from .recipe import GENERIC, INT8, INT16X8, Format, Recipe, Target, possible_pairs
from .reference import Reference
from .sides import both_sides
from .signing import Signer, sign_file

AUDIT_COUNT = 64
"""Calibration images that layers are compared on."""
_PACKAGES = ("fmnist-edge", "tensorflow", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy")


@dataclass(frozen=True)
class ExportedFile:
    """One file that was written, and what its runtime makes of it."""

    path: Path
    recipe: str
    format: Format
    size_bytes: int
    inspection: Inspection


def export(
    model: Path | None,
    recipes: Sequence[Recipe],
    formats: Sequence[Format],
    out: Path,
    *,
    data_dir: Path | None = None,
    max_drop_points: float | None = None,
    recover: bool = False,
    target: Target = GENERIC,
    force: bool = False,
    name: str | None = None,
    signer: Signer | None = None,
    progress: Progress = silent,
) -> list[ExportedFile]:
    """Write one file for every recipe and format into the folder `out`.

    Args:
        model: a .keras file or a run folder; None is the latest run.
        recipes: what to quantize and how.
        formats: file formats; a recipe is written in those of them that it exists in.
        out: folder for files named ``fmnist-ARCH-RECIPE.FORMAT``.
        data_dir: where the dataset is; None looks in the usual places.
        max_drop_points: write no file whose drop on the validation split may be more points than this (the upper end of
            the 95% interval); None lets every file pass.
        recover: round the int8 weights anew so that their errors cancel, where that helps on the validation split.
        target: processors that the int8 ONNX file is written for.
        force: replace files that exist.
        name: what the files are called instead of the architecture.
        signer: signs every file, and its signature is written beside it; None signs none.
        progress: told of every file.

    Raises:
        EdgeError: the model cannot be exported, a recipe exists in none of the formats, or a file exists and `force`
            is not given; with exit code 1, a file does not pass the gate, or a layer does not compute as the recipe
            promises.
    """
    pairs = possible_pairs(recipes, formats)
    if signer is not None and "c" in formats:
        raise EdgeError("C source is not signed", hint="leave --sign-key out; sign the firmware that it goes into")
    path = find_model(model)
    require_writable(out)
    loaded = _load(path)
    if "c" in formats:
        _require_one_side(loaded, path)
    files = [(recipe, kind, out / _file_name(name or loaded.name, recipe, kind, target)) for recipe, kind in pairs]
    if not force:
        _require_absent([path for _, kind, file in files for path in _paths(file, kind)])
    conversion = _Conversion(loaded, path, data_dir, progress, recover=recover, target=target)
    gate = None if max_drop_points is None else Gate(conversion.reference, max_drop_points)
    written = []
    for recipe, kind, file in files:
        progress(f"exporting {file.name}", 0, 1)
        inspection = _write(conversion, gate, recipe, kind, file)
        if signer is not None:
            sign_file(file, signer)
        written += _written(file, recipe, kind, inspection)
        progress(f"exporting {file.name}", 1, 1)
    return written


def _written(file: Path, recipe: Recipe, kind: Format, inspection: Inspection) -> list[ExportedFile]:
    return [ExportedFile(path, recipe.name, kind, path.stat().st_size, inspection) for path in _paths(file, kind)]


class _Conversion:
    """Converts one model; what several files share (calibration, the int8 numbers) is computed once.

    A model that looks at both sides of a picture is converted one-sided, and the other side put around the graph.
    """

    def __init__(
        self,
        model: keras.Model,
        path: Path,
        data_dir: Path | None,
        progress: Progress,
        *,
        recover: bool,
        target: Target,
    ) -> None:
        self._side = one_side(model)
        self._has_both_sides = self._side is not model
        self._training = _training_provenance(path)
        self._data_dir = data_dir
        self._progress = progress
        self._recover = recover
        self._target = target
        holdout = holdout_in(self._training)
        self.reference = Reference(model, data_dir, holdout)
        self._side_reference = Reference(self._side, data_dir, holdout) if self._has_both_sides else self.reference

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
        shared = self._calibration, self._logit_calibration, self._side_reference
        recovery = self._rounding_calibration if self._recover else None
        return quantize(self._side, *shared, recovery_calibration=recovery, progress=self._progress)

    @functools.cached_property
    def _layer_errors(self) -> list[LayerError]:
        images, network = self._calibration.split.images[:AUDIT_COUNT], self._int8
        return layer_errors(network.float_content, network.content, images, network.scaling.apply(images))

    @functools.cached_property
    def _rounding_calibration(self) -> Calibration:
        return Calibration.choose(self._training_split, count=ROUNDING_COUNT, seed=ROUNDING_SEED)

    @functools.cached_property
    def _int16x8(self) -> Int16x8Network:
        shared = self._calibration, self._rounding_calibration, self._side_reference
        return quantize_int16x8(self._side, *shared, progress=self._progress)

    @functools.cached_property
    def _confidence(self) -> dict[str, Any]:
        return fit_confidence(self.reference.probabilities, self.reference.split.labels)

    @functools.cached_property
    def _float_onnx(self) -> Any:
        return onnx_float.to_onnx(self._side)  # tf2onnx takes most of a minute for the seed, so once is enough

    def convert(self, recipe: Recipe, kind: Format, name: str) -> bytes:
        """Return the content of the finished file."""
        graph = self._graph(recipe, kind)
        if self._has_both_sides:
            graph = both_sides(graph, kind)
        card = self._card(recipe, name, graph)
        if kind != "onnx":
            return tflite_file.append_card(graph, card)
        content = onnx_file.append_card(graph, card)
        onnx_file.check_model(content)
        return content

    def worst_layer(self, recipe: Recipe) -> str:
        """Say which layer to look at when `recipe` has lost too much."""
        if recipe is not INT8 or not self._layer_errors:
            return "compare with --float32"
        worst = self._layer_errors[0]
        return f"look at {worst.layer}, which strays most from the float model ({worst.sqnr_db:.1f} dB)"

    def _graph(self, recipe: Recipe, kind: Format) -> bytes:
        """Return the graph of one side."""
        if recipe is INT8:
            content = self._int8.content
            return onnx_int8.translate(content, target=self._target) if kind == "onnx" else content
        if recipe is INT16X8:
            return self._int16x8.content
        if kind == "tflite":
            return tflite.convert_float(self._side, recipe)
        return onnx_float.apply_recipe(self._float_onnx, recipe)

    def _describe_calibration(self, recipe: Recipe) -> dict[str, Any]:
        if recipe is INT16X8:
            rounding = self._rounding_calibration.describe(with_indices=False)
            return {**self._int16x8.describe(), **self._calibration.describe(), "rounded_for": rounding}
        described = {**self._int8.describe(), **self._calibration.describe()}
        if self._int8.clips_logits:
            logits = self._logit_calibration.describe(with_indices=False)
            described["logits"] = {"method": "runner-up range", **logits}
        return described

    def _card(self, recipe: Recipe, name: str, graph: bytes) -> ModelCard:
        meaning = "sum to 1; the mean over picture and mirror image" if self._has_both_sides else "sum to 1"
        return ModelCard(
            card_version=CARD_VERSION,
            name=name,
            arch=self._side.name,
            recipe=recipe.name,
            labels=LABELS,
            input={"name": INPUT, "dtype": "uint8", "shape": ["n", 28, 28], "meaning": "grey, 0 is background"},
            output={"name": OUTPUT, "dtype": "float32", "shape": ["n", len(LABELS)], "meaning": meaning},
            calibration=self._describe_calibration(recipe) if recipe.calibrated else None,
            training=self._training,
            versions={"python": platform.python_version(), **{package: version(package) for package in _PACKAGES}},
            graph_bytes=len(graph),
            graph_sha256=sha256_hex(graph),
            sqnr_db={error.layer: round(error.sqnr_db, 1) for error in self._layer_errors} if recipe is INT8 else None,
            confidence=self._confidence,
        )


def _write(conversion: _Conversion, gate: Gate | None, recipe: Recipe, kind: Format, file: Path) -> Inspection:
    """Write one export that keeps its recipe's promise and passes the gate; return what its runtime makes of it."""
    content = conversion.convert(recipe, kind, file.stem)
    with _place(file, kind) as temporary:
        temporary.write_bytes(content)
        inspection = inspect(temporary, name=file.name)
        require_promised(inspection)
        if gate is not None:
            gate.check(temporary, name=file.name, explain=functools.partial(conversion.worst_layer, recipe))
        if kind == "c":
            write_c(file, temporary)
    return inspection


def _file_name(name: str, recipe: Recipe, kind: Format, target: Target) -> str:
    only = f"-{target}" if recipe is INT8 and kind == "onnx" and target != GENERIC else ""
    return f"fmnist-{name}-{recipe.name}{only}.{kind}"


def _paths(target: Path, kind: Format) -> list[Path]:
    """Return the files that an export consists of: a C source has a header."""
    return [target, header_path(target)] if kind == "c" else [target]


@contextlib.contextmanager
def _place(target: Path, kind: Format) -> Iterator[Path]:
    """Yield where to write a model: the .tflite file that becomes C source is not kept."""
    if kind != "c":
        with atomic_path(target) as temporary:
            yield temporary
    else:
        with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as folder:
            yield Path(folder) / f"{target.stem}.tflite"


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


def _load(path: Path) -> keras.Model:
    """Load a model that can be exported.

    Raises:
        EdgeError: it cannot be read, has another number of classes, weights that are no numbers, or no probabilities.
    """
    model = load_keras_model(path)
    _require_classes(model, path)
    require_finite(model, str(path))
    require_probabilities(model, str(path))
    return model


def _require_classes(model: keras.Model, path: Path) -> None:
    classes = int(model.output_shape[1])
    if classes != len(LABELS):
        expected = f"{len(LABELS)}, as in Fashion-MNIST"
        raise EdgeError(f"{path} has another number of classes", expected=expected, got=str(classes))


def _require_one_side(model: keras.Model, path: Path) -> None:
    if one_side(model) is not model:
        got = "a picture and its mirror image, for which REVERSE_V2 is needed"
        hint = "train it with --one-side, or export it as .tflite"
        raise EdgeError(f"{path} cannot be C source", expected="a model that looks at one side", got=got, hint=hint)


def _require_absent(paths: list[Path]) -> None:
    present = [str(path) for path in paths if path.exists()]
    if present:
        raise EdgeError(f"{', '.join(present)} exists", hint="name another --out, or replace it with --force")
