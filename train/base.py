"""Fine-tuning: a training that begins with the weights of a trained model instead of drawn ones."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from ..common.box import NAMES, in_the_box
from ..common.errors import EdgeError
from ..common.files import sha256_hex
from .keras_model import load_keras_model
from .run_folder import find_model
from .sides import one_side

_TOLERANCE = 1e-4
"""How far probabilities may be apart that the same network gives in two orders of adding."""


def find_base(base: str) -> Path:
    """Return the .keras file that a base stands for: a network in the box by its name, a file, or a run folder.

    Raises:
        EdgeError: there is nothing of that name.
    """
    if base in NAMES:
        return in_the_box(base, ".keras")
    if not Path(base).exists():
        expected = f"a .keras file, a run folder, or one of {', '.join(NAMES)}"
        raise EdgeError(f"no base {base}", expected=expected, got="nothing", hint="see --base")
    return find_model(Path(base))


def describe_base(base: str) -> dict[str, str]:
    """Return what a base stood for and its hash, for the configuration of a run."""
    path = find_base(base)
    return {"file": base if base in NAMES else str(path), "sha256": sha256_hex(path.read_bytes())}


def begin_with(model: keras.Model, base: str, arch: str) -> None:
    """Give `model` the weights of `base`, which has to be the same network; dropout may differ.

    Two networks whose weights have the same shapes may still differ, in a stride or in what is rectified, so both are
    asked about the same noise.

    Raises:
        EdgeError: the base cannot be loaded, or is another network than `arch`.
    """
    path = find_base(base)
    trained = one_side(load_keras_model(path))
    ours, theirs = ([tuple(weight.shape) for weight in each.weights] for each in (model, trained))
    hint = f"name the architecture of {path} with --arch"
    if ours != theirs:
        expected, got = _first_difference(ours, theirs)
        raise EdgeError(f"{path} is another network than {arch}", expected=expected, got=got, hint=hint)
    model.set_weights(trained.get_weights())
    noise = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1)).astype(np.float32)
    answers = (keras.ops.convert_to_numpy(each(noise, training=False)) for each in (model, trained))
    apart = float(np.abs(np.subtract(*answers)).max())
    if not apart <= _TOLERANCE:
        got = f"probabilities that differ by {apart:.2g}"
        raise EdgeError(f"{path} is another network than {arch}", expected="the same answers", got=got, hint=hint)


def blend_with(model: keras.Model, base: str, share: float) -> None:
    """Move the weights of `model`, which began with those of `base`, back towards them.

    What was learnt for other pictures mostly stays, and what was forgotten of the old ones mostly returns. After M.
    Wortsman et al., "Robust fine-tuning of zero-shot models", arXiv 2109.01903.

    Args:
        model: that was trained; changed in place.
        base: as in `find_base`.
        share: how much of each weight is the base's, in [0, 1].

    Raises:
        EdgeError: the base cannot be loaded any more.
    """
    began = one_side(load_keras_model(find_base(base))).get_weights()
    model.set_weights([share * old + (1 - share) * new for old, new in zip(began, model.get_weights(), strict=True)])


def _first_difference(ours: list[tuple[int, ...]], theirs: list[tuple[int, ...]]) -> tuple[str, str]:
    """Say where two lists of shapes part: what is expected, and what is there.

    >>> _first_difference([(5, 5, 1, 64), (64,)], [(5, 5, 1, 64), (32,)])
    ('weight 2 of shape (64,)', '(32,)')
    >>> _first_difference([(64,)], [(64,), (10,)])
    ('1 weights', '2')
    """
    for position, (our, their) in enumerate(zip(ours, theirs, strict=False), 1):
        if our != their:
            return f"weight {position} of shape {our}", str(their)
    return f"{len(ours)} weights", str(len(theirs))
