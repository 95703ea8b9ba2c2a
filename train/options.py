"""What can be chosen about a training, from the command line, a TOML file or the recipe of an architecture."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from ..common.box import ARCHITECTURES
from ..common.errors import EdgeError
from ..common.toml import read_toml
from ..dataset.folds import Fold
from ..dataset.splits import VALIDATION_COUNT
from .architectures import check_name, recipe_path
from .schedule import SCHEDULES, Schedule

Optimizer = Literal["adam", "adamw", "sgd"]
OPTIMIZERS: tuple[str, ...] = get_args(Optimizer)
Precision = Literal["float32", "bfloat16", "auto"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
QUICK = "quick"
VARIANTS = (QUICK, "photos", "taught")
"""Tables that a recipe may have: for a short training, for pictures cut out of photos, and to learn from teachers."""


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides the result of a training.

    Attributes:
        arch: name of an architecture in the registry, or ``path/to/file.py:function``.
        epochs: passes over the training images, at least 1.
        batch_size: images a step, at least 1.
        precision: what the layers compute in while they are trained: ``float32``, ``bfloat16``, or ``auto``, which is
            the one that is faster on the machine; the weights are float32.
        optimizer: ``adam``, ``adamw`` (with decoupled weight decay), or ``sgd`` with Nesterov's momentum of 0.9.
        learning_rate: the step size at its highest, above 0.
        schedule: how the step size changes: ``constant``, ``cosine`` or ``one-cycle``.
        warmup: share of all steps in which the step size rises, in [0, 1).
        weight_decay: share of every weight taken off a step, times the step size; at least 0.
        dropout: share of units dropped, in [0, 1).
        label_smoothing: share of every label spread over all classes, in [0, 1).
        weight_average: how much a running average of the weights keeps at a step, in [0, 1); the averaged weights are
            what is validated and saved. 0 is off.
        both_sides: the finished model answers with the mean over picture and mirror image, which doubles its work; the
            training itself is the same.
        quantize_epochs: in the last so many epochs the model sees its weights and activations rounded as int8 will have
            them, and its validation accuracy is that of the rounded model; 0 to `epochs`, 0 is off.
        patience: stop after so many epochs without a better validation accuracy, and keep the best; None goes on to
            the end, and keeps the last. Where some epochs round, one of them is kept, and none before them is the last.
        shift: pixels that a picture is moved by at most, up, down and sideways; 0 to 27.
        flip: mirror every other picture.
        rotate: degrees that a picture is turned by at most, 0 to 180.
        scale: share that a picture is made larger or smaller by at most, in [0, 1).
        shear: pixels that a row is moved by at most, for every row away from the middle; 0 to 1.
        brightness: share that a picture is made lighter or darker by at most, 0 to 1.
        shade: how much lighter one edge may become, and darker the other, 0 to 1.
        photo: share of the pictures that are made to look like garments cut out of phone photos, 0 to 1.
        erase: share of the pictures in which a rectangle is painted over, 0 to 1.
        mixup: concentration of the beta distribution that two pictures are blended by, at least 0; 0 is off.
        cutmix: share of the pictures that a piece of another is pasted into, 0 to 1.
        teacher: models whose mean answer is learnt, too: .keras, .onnx or .tflite files, run folders, or networks in
            the box by their names.
        teacher_weight: how much the teacher counts against the labels, 0 to 1.
        teacher_temperature: above 1, the teacher's answer is made less sure before it is learnt: every probability is
            raised to 1 / temperature, and their sum to 1 again; 0.5 to 20. A teacher is surer of pictures that it was
            trained on than it is of others.
        consistent_teacher: ask the teacher in every epoch about every picture as it was changed, instead of once,
            before the training, about the picture as it is.
        teachers_in_turn: with several consistent teachers, ask one of them about each picture, another in another
            epoch, instead of all: the work of one. The pupil still learns their mean, because the gradient of the
            cross-entropy is linear in the answer.
        base: begin with the weights of this model of the same architecture, for fine-tuning: a .keras file, a run
            folder, or a network in the box (``compact``, ``compact-photo``, ``strong``); None draws them.
        base_share: how much of the finished weights are those of the base, in [0, 1); the rest are those that were
            trained. Losses and accuracies of the epochs are without it.
        seed: of initial weights, order of images, augmentation and dropout; 0 to 4294967295.
        holdout: how many of the 60,000 images are kept out of the training, for validation: a multiple of 10, at most
            5,000. Fewer are for a last training, when everything has been chosen.
        fold: leave this part of the training images out, as ``1/2`` for the first of two, so that the model can be a
            teacher about them (`Fold`); None trains on all.
        limit: train on the first so many images only, for a quick try; None for all.
        arch_options: arguments of the architecture beyond those that every one has, such as ``{"width": 32}``.
    """

    arch: str = "seed"
    epochs: int = 15
    batch_size: int = 128
    precision: Precision = "float32"
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    warmup: float = 0.0
    weight_decay: float = 0.0
    dropout: float = 0.2
    label_smoothing: float = 0.0
    weight_average: float = 0.0
    both_sides: bool = False
    quantize_epochs: int = 0
    patience: int | None = None
    shift: int = 0
    flip: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    brightness: float = 0.0
    shade: float = 0.0
    photo: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    teacher: tuple[str, ...] = ()
    teacher_weight: float = 0.5
    teacher_temperature: float = 1.0
    consistent_teacher: bool = False
    teachers_in_turn: bool = False
    base: str | None = None
    base_share: float = 0.0
    seed: int = 0
    holdout: int = VALIDATION_COUNT
    fold: str | None = None
    limit: int | None = None
    arch_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "teacher", tuple(self.teacher))  # JSON and TOML have lists
        check_name(self.arch)
        self._require_choices()
        self._require_ranges()
        if self.fold is not None:
            Fold.parse(self.fold)
        if self.base_share and self.base is None:
            got = f"base_share {self.base_share!r} without a base"
            raise EdgeError("no base to share weights with", expected="a base", got=got, hint="name one with --base")
        if self.teachers_in_turn and not self.consistent_teacher:
            got, hint = "teachers that are asked once", "add --consistent-teacher"
            raise EdgeError("teachers cannot take turns", expected="consistent teachers", got=got, hint=hint)
        if self.weight_decay and self.optimizer == "adam":
            got = f"weight_decay {self.weight_decay!r} with adam"
            raise EdgeError("adam has no weight decay", expected="adamw or sgd", got=got, hint="add --optimizer adamw")

    def _require_choices(self) -> None:
        _require(self.optimizer in OPTIMIZERS, "optimizer", f"one of {', '.join(OPTIMIZERS)}", self.optimizer)
        _require(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        _require(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}", self.schedule)

    def _require_ranges(self) -> None:
        for name in ("epochs", "batch_size", "patience", "limit"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, "at least 1", value)
        for name in ("warmup", "dropout", "label_smoothing", "weight_average", "scale", "base_share"):
            value = getattr(self, name)
            _require(0 <= value < 1, name, "from 0 to below 1", value)
        for name in ("shear", "brightness", "shade", "photo", "erase", "cutmix", "teacher_weight"):
            value = getattr(self, name)
            _require(0 <= value <= 1, name, "from 0 to 1", value)
        for name in ("weight_decay", "mixup"):
            value = getattr(self, name)
            _require(0 <= value < math.inf, name, "at least 0", value)
        _require(0 < self.learning_rate < math.inf, "learning_rate", "above 0", self.learning_rate)
        most = f"from 0 to epochs, which is {self.epochs}"
        _require(0 <= self.quantize_epochs <= self.epochs, "quantize_epochs", most, self.quantize_epochs)
        _require(
            0.5 <= self.teacher_temperature <= 20, "teacher_temperature", "from 0.5 to 20", self.teacher_temperature
        )
        _require(0 <= self.shift < 28, "shift", "from 0 to 27", self.shift)
        _require(0 <= self.rotate <= 180, "rotate", "from 0 to 180", self.rotate)
        in_tens = 10 <= self.holdout <= VALIDATION_COUNT and self.holdout % 10 == 0
        _require(in_tens, "holdout", f"a multiple of 10, at most {VALIDATION_COUNT:,}", self.holdout)
        _require(0 <= self.seed < 2**32, "seed", "from 0 to 4294967295", self.seed)

    @property
    def float_epochs(self) -> int:
        """How many epochs there are before the first that rounds."""
        return self.epochs - self.quantize_epochs

    @property
    def shares_labels(self) -> bool:
        """Whether a picture may belong to several classes in part, so that labels are shares and not numbers."""
        return bool(self.label_smoothing or self.mixup or self.cutmix or self.teacher)


def _require(condition: bool, name: str, expected: str, got: object) -> None:
    if not condition:
        raise EdgeError(f"unusable training option {name}", expected=expected, got=repr(got), hint="see train --help")


def make_options(chosen: dict[str, Any], config: Path | None = None, *, variant: str | None = None) -> TrainOptions:
    """Merge the defaults, the recipe of the architecture, a TOML file and explicit choices; the later wins.

    Args:
        chosen: option name to value; None means not chosen.
        config: a TOML file with the same names at its top level, like the recipes beside the architectures.
        variant: one of `VARIANTS`: let that table of the recipe, and of `config`, win over what stands above it.

    Raises:
        EdgeError: a file cannot be read, has an unknown key or a value of a wrong type or range; or there is no such
            variant.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    values, tables = read_config(config) if config is not None else ({}, {})
    arch = given.get("arch", values.get("arch", _arch_of(given.get("base", values.get("base")))))
    check_name(arch)
    recipe = recipe_path(arch)
    defaults, variants = read_config(recipe) if recipe is not None else ({}, {})
    if variant is None:
        return TrainOptions(**{**defaults, **values, **given, "arch": arch})
    if variant not in {*variants, *tables}:
        expected = f"one of {', '.join(variants)}" if variants else f"a table [{variant}] in its recipe"
        raise EdgeError(f"{arch} has no {variant} variant", expected=expected, hint="leave the variant out")
    changed, own = variants.get(variant, {}), tables.get(variant, {})
    return TrainOptions(**{**defaults, **changed, **values, **own, **given, "arch": arch})


def variants_of(arch: str) -> tuple[str, ...]:
    """Return the names of the variants that the recipe of an architecture has.

    >>> variants_of("strong")
    ('quick', 'taught')
    """
    recipe = recipe_path(arch)
    return () if recipe is None else tuple(read_config(recipe)[1])


def read_config(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Read options from a TOML file: those at its top, and those of the tables that are named like `VARIANTS`.

    Raises:
        EdgeError: see `make_options`.
    """
    values = read_toml(path)
    tables = {name: values.pop(name) for name in VARIANTS if name in values}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise EdgeError(f"{path} has an unusable {name}", expected="a table", got=repr(table))
        tables[name] = _checked(path, table)
    return _checked(path, values), tables


def _checked(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    return {key: check_value(path, key, value) for key, value in values.items()}


def check_value(path: Path, key: str, value: object) -> object:
    """Check one key of a file against the fields of `TrainOptions`, and return its value.

    Raises:
        EdgeError: there is no such field (the nearest is named), or it holds another kind of value.
    """
    kinds = {name: _kind(name, default) for name, default in vars(TrainOptions()).items()}
    if key not in kinds:
        nearest = difflib.get_close_matches(key, kinds, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"use one of {', '.join(kinds)}"
        raise EdgeError(f"{path} has an unknown key {key!r}", hint=hint)
    kind = kinds[key]
    if not _fits(value, kind):
        named: dict[type, str] = {tuple: "a list of str", dict: "a table of plain values"}
        expected = named.get(kind, kind.__name__)
        raise EdgeError(f"{path} has an unusable {key}", expected=expected, got=repr(value))
    return value


def _arch_of(base: object) -> str:
    """Return the architecture that is meant where only a base is named: that of a network in the box."""
    return ARCHITECTURES.get(str(base), TrainOptions.arch)


def _kind(name: str, default: object) -> type:
    """Return the type of an option: that of its default, or what its field may hold beside None."""
    if default is not None:
        return type(default)
    kind: type = get_args(get_type_hints(TrainOptions)[name])[0]
    return kind


def _fits(value: object, kind: type) -> bool:
    """Tell whether a value of a TOML file has the type of an option.

    >>> _fits(1, float), _fits(True, int), _fits(["a.keras"], tuple)
    (True, False, True)
    """
    if kind is dict:
        return isinstance(value, dict) and all(isinstance(entry, (bool, int, float, str)) for entry in value.values())
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return False  # a number of TOML has 64 bits (https://toml.io/en/v1.0.0#integer)
    if kind is tuple:
        return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
