"""From the name of an architecture to a model that can be trained: built, checked, with an optimizer and a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from ..common.errors import EdgeError, one_line
from ..common.memory import available_bytes
from ..dataset import LABELS
from .arch_options import check_arch_options
from .architectures import load_architecture, own_parts
from .keras_model import check_shapes
from .options import TrainOptions

_BYTES_A_PARAMETER = 16
"""A weight, its gradient and two of Adam's moments, float32 each."""
_MOMENTUM = 0.9


def build_model(options: TrainOptions) -> keras.Model:
    """Build the architecture that `options` name, checked and compiled.

    Raises:
        EdgeError: it does not build, has another input or output, cannot be saved, or does not fit into memory.
    """
    arch = options.arch
    build: Callable[..., Any] = load_architecture(arch)
    check_arch_options(arch, build, options.arch_options)
    try:
        model = build(classes=len(LABELS), dropout=options.dropout, **options.arch_options)
    except Exception as error:  # whatever the user's code raises
        got = f"{type(error).__name__}: {one_line(error, limit=300)}"
        raise EdgeError(f"{arch} does not build", expected="a keras.Model", got=got) from error
    if not isinstance(model, keras.Model):
        raise EdgeError(f"{arch} does not build", expected="a keras.Model", got=type(model).__name__)
    check_shapes(model, arch)
    if model.output_shape[1] != len(LABELS):
        expected, got = f"{len(LABELS)}, as in Fashion-MNIST", str(model.output_shape[1])
        raise EdgeError(f"{arch} has another number of classes", expected=expected, got=got)
    require_memory(model.count_params(), available_bytes())
    if own_parts(arch) is not None:
        _require_probabilities(model, arch)
        _require_saveable(model, arch)
    compile_model(model, options)
    return model


def require_memory(parameters: int, available: int | None) -> None:
    """Check that the weights of a model, and what training keeps beside each, fit into memory.

    Args:
        parameters: how many.
        available: free memory in bytes; None where that is not known.

    Raises:
        EdgeError: they do not.
    """
    needed = parameters * _BYTES_A_PARAMETER
    if available is not None and needed > available:
        expected = f"at most {available / 1e9:.1f} GB, which is free"
        got = f"{needed / 1e9:.1f} GB for {parameters:,} parameters"
        raise EdgeError("the architecture does not fit into memory", expected=expected, got=got, hint="make it smaller")


def _require_probabilities(model: keras.Model, arch: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype(np.float32)
    answers = keras.ops.convert_to_numpy(model(noise))
    if not (np.isfinite(answers).all() and answers.min() >= 0 and np.allclose(answers.sum(axis=1), 1, atol=1e-3)):
        got = f"from {answers.min():.3g} to {answers.max():.3g}"
        raise EdgeError(f"{arch} does not answer in probabilities", expected="a softmax over the classes", got=got)


def _require_saveable(model: keras.Model, arch: str) -> None:
    """Check that the model can be loaded again without running the user's code."""
    try:
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model), safe_mode=True)
    except Exception as error:  # Keras lets TypeError, ValueError and others through
        got, hint = one_line(error, limit=300), "use the layers of Keras, without Lambda"
        raise EdgeError(f"{arch} cannot be saved and loaded again", got=got, hint=hint) from error


def compile_model(model: keras.Model, options: TrainOptions) -> None:
    """Give `model` the optimizer and the loss that `options` ask for."""
    model.compile(
        optimizer=make_optimizer(options),
        loss="categorical_crossentropy" if options.shares_labels else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,  # XLA on the CPU is 9 times slower here
    )


def make_optimizer(options: TrainOptions) -> keras.optimizers.Optimizer:
    """Make the optimizer that `options` describe; it keeps the running average of the weights, too."""
    shared: dict[str, Any] = {"learning_rate": options.learning_rate}
    if options.weight_decay:
        shared["weight_decay"] = options.weight_decay
    if options.weight_average:
        shared |= {"use_ema": True, "ema_momentum": options.weight_average, "ema_overwrite_frequency": None}
    if options.optimizer == "sgd":
        return keras.optimizers.SGD(momentum=_MOMENTUM, nesterov=True, **shared)
    if options.optimizer == "adamw":
        return keras.optimizers.AdamW(**{"weight_decay": 0.0, **shared})
    return keras.optimizers.Adam(**shared)
