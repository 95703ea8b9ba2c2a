"""What can be chosen about a training: defaults, the TOML file, explicit choices, and every refusal."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.common.box import ARCHITECTURES
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.architectures import architecture_names, recipe_path
from fmnist_edge.train.options import TrainOptions, make_options, read_config


def written(folder: Path, text: str) -> Path:
    path = folder / "train.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_the_specified_training() -> None:
    assert asdict(make_options({})) == {
        "arch": "seed",
        "epochs": 15,
        "batch_size": 128,
        "precision": "float32",
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "schedule": "constant",
        "warmup": 0.0,
        "weight_decay": 0.0,
        "dropout": 0.2,
        "label_smoothing": 0.0,
        "weight_average": 0.0,
        "both_sides": False,
        "quantize_epochs": 0,
        "patience": None,
        "shift": 0,
        "flip": False,
        "rotate": 0.0,
        "scale": 0.0,
        "shear": 0.0,
        "brightness": 0.0,
        "shade": 0.0,
        "photo": 0.0,
        "erase": 0.0,
        "mixup": 0.0,
        "cutmix": 0.0,
        "teacher": (),
        "teacher_weight": 0.5,
        "teacher_temperature": 1.0,
        "consistent_teacher": False,
        "teachers_in_turn": False,
        "base": None,
        "base_share": 0.0,
        "seed": 0,
        "holdout": 5_000,
        "fold": None,
        "limit": None,
        "arch_options": {},
    }


def test_the_file_is_merged_under_explicit_choices(tmp_path: Path) -> None:
    config = written(tmp_path, 'arch = "seed"\nepochs = 3\nlearning_rate = 1\nlimit = 500\nteacher = ["a.keras"]\n')
    options = make_options({"epochs": 7, "seed": None, "limit": None, "dropout": 0.0}, config)
    assert options == TrainOptions(epochs=7, learning_rate=1, limit=500, dropout=0.0, teacher=("a.keras",))


def test_a_table_of_the_file_holds_arguments_of_the_architecture(tmp_path: Path) -> None:
    config = written(tmp_path, 'arch = "search"\n[arch_options]\nwidth = 32\nblock = "square"\n')
    assert make_options({}, config).arch_options == {"width": 32, "block": "square"}


def test_a_fold_is_text(tmp_path: Path) -> None:
    assert make_options({}, written(tmp_path, 'fold = "1/2"')).fold == "1/2"


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert make_options({}, written(tmp_path, "")) == TrainOptions()


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("patience", 0, "at least 1"),
        ("quantize_epochs", -1, "from 0 to epochs, which is 15"),
        ("quantize_epochs", 16, "from 0 to epochs, which is 15"),
        ("optimizer", "adamax", "one of adam, adamw, sgd"),
        ("schedule", "cosin", "one of constant, cosine, one-cycle"),
        ("precision", "float16", "one of float32, bfloat16, auto"),
        ("holdout", 0, "a multiple of 10, at most 5,000"),
        ("holdout", 995, "a multiple of 10, at most 5,000"),
        ("holdout", 5_010, "a multiple of 10, at most 5,000"),
        ("warmup", 1.0, "from 0 to below 1"),
        ("label_smoothing", 1.0, "from 0 to below 1"),
        ("weight_average", -0.1, "from 0 to below 1"),
        ("scale", 1.0, "from 0 to below 1"),
        ("base_share", 1.0, "from 0 to below 1"),
        ("shift", 28, "from 0 to 27"),
        ("shift", -1, "from 0 to 27"),
        ("rotate", 181.0, "from 0 to 180"),
        ("rotate", float("nan"), "from 0 to 180"),
        ("shear", 1.1, "from 0 to 1"),
        ("brightness", -0.1, "from 0 to 1"),
        ("shade", 1.1, "from 0 to 1"),
        ("photo", 1.1, "from 0 to 1"),
        ("erase", 1.1, "from 0 to 1"),
        ("cutmix", -0.1, "from 0 to 1"),
        ("teacher_weight", 1.5, "from 0 to 1"),
        ("teacher_temperature", 0.4, "from 0.5 to 20"),
        ("teacher_temperature", 21.0, "from 0.5 to 20"),
        ("teacher_temperature", float("nan"), "from 0.5 to 20"),
        ("weight_decay", -1e-4, "at least 0"),
        ("mixup", float("inf"), "at least 0"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", -1e-3, "above 0"),
        ("learning_rate", float("inf"), "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("dropout", -0.1, "from 0 to below 1"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("seed", -1, "from 0 to 4294967295"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("limit", 0, "at least 1"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(name: str, value: Any, expected: str) -> None:
    with pytest.raises(EdgeError, match=f"unusable training option {name}; expected {expected}; got {value!r}"):
        make_options({name: value})


def test_teachers_that_are_asked_once_do_not_take_turns() -> None:
    expected = (
        "teachers cannot take turns; expected consistent teachers; got teachers that are asked once; next: add --con"
    )
    with pytest.raises(EdgeError, match=expected):
        make_options({"teachers_in_turn": True})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"unknown key 'epoch'; next: did you mean epochs\?"),
        ("learningrate = 3", r"unknown key 'learningrate'; next: did you mean learning_rate\?"),
        ("zzz = 3", "unknown key 'zzz'; next: use one of arch, epochs, batch_size"),
        ("[train]\nepochs = 3", "unknown key 'train'"),
        ('epochs = "3"', "unusable epochs; expected int; got '3'"),
        ("epochs = 3.0", "unusable epochs; expected int; got 3.0"),
        ("epochs = true", "unusable epochs; expected int; got True"),
        ("dropout = false", "unusable dropout; expected float; got False"),
        ('learning_rate = "fast"', "unusable learning_rate; expected float; got 'fast'"),
        ("arch = 1", "unusable arch; expected str; got 1"),
        ("fold = 2", "unusable fold; expected str; got 2"),
        ('fold = "3/2"', "unusable fold; expected a part of the training images, as 1/2, of at most 100; got '3/2'"),
        ("limit = [1]", r"unusable limit; expected int; got \[1\]"),
        ("flip = 1", "unusable flip; expected bool; got 1"),
        ('teacher = "a.keras"', "unusable teacher; expected a list of str; got 'a.keras'"),
        ("base = 3", "unusable base; expected str; got 3"),
        ("teacher = [1]", r"unusable teacher; expected a list of str; got \[1\]"),
        ("arch_options = 3", "unusable arch_options; expected a table of plain values; got 3"),
        (
            "[arch_options]\nwidth = [3]",
            r"unusable arch_options; expected a table of plain values; got {'width'",
        ),
        ("quick = 3", "unusable quick; expected a table; got 3"),
        ("[quick]\nepoch = 3", r"unknown key 'epoch'; next: did you mean epochs\?"),
        ("weight_decay = 0.1", "adam has no weight decay; expected adamw or sgd; got weight_decay 0.1 with adam"),
        ("dropout = 2", "unusable training option dropout"),
        ("epochs = ", "cannot read .*train.toml; expected a TOML file; got .*Invalid value"),
        ("epochs = " + "[" * 1_000, "cannot read .*train.toml; expected a TOML file; got maximum recursion depth"),
        ("epochs = " + "9" * 4_500, "cannot read .*train.toml; expected a TOML file; got Exceeds the limit"),
        ("learning_rate = " + "9" * 400, "unusable learning_rate; expected float; got 9999"),
        (f"seed = {2**63}", "unusable seed; expected int; got 9223372036854775808"),
        ("# " + "x" * 65_536, "cannot read .*train.toml; expected at most 65,536 bytes; got more"),
    ],
)
def test_an_unusable_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=message):
        make_options({}, written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.toml; expected a TOML file; got No such file"):
        make_options({}, tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(EdgeError, match=r"cannot read .*train.toml; expected a TOML file; got .*can't decode"):
        make_options({}, path)


# --- the recipe of an architecture ------------------------------------------------------------------------------------

OWN = "def build(*, classes, dropout): ...\n"


def own(folder: Path, recipe: str | None = None) -> str:
    """Write an architecture of the user's own, and its recipe; return its name."""
    (folder / "mine.py").write_text(OWN)
    if recipe is not None:
        (folder / "mine.toml").write_text(recipe)
    return f"{folder / 'mine.py'}:build"


def test_the_recipe_of_compact_is_what_is_left_unsaid() -> None:
    options = make_options({"arch": "compact"})
    assert (options.optimizer, options.schedule, options.flip) == ("sgd", "one-cycle", True)
    assert make_options({"arch": "compact", "epochs": 3}) == dataclasses.replace(options, epochs=3)
    quick = make_options({"arch": "compact"}, variant="quick")
    assert quick.epochs < options.epochs
    assert make_options({"arch": "compact", "epochs": 3}, variant="quick").epochs == 3


@pytest.mark.parametrize("path", [path for name in architecture_names() if (path := recipe_path(name))])
def test_every_recipe_can_be_read_and_used(path: Path) -> None:
    values, tables = read_config(path)
    assert values
    assert tables
    for table in ({}, *tables.values()):
        assert TrainOptions(arch=path.stem, **{**values, **table})
    assert "arch" not in values


def test_the_architecture_is_known_from_the_file_too(tmp_path: Path) -> None:
    assert make_options({}, written(tmp_path, 'arch = "compact"')) == make_options({"arch": "compact"})
    assert make_options({"arch": "seed"}, written(tmp_path, 'arch = "compact"')) == TrainOptions()


@pytest.mark.parametrize(("base", "arch"), ARCHITECTURES.items())
def test_a_network_in_the_box_says_its_architecture(base: str, arch: str, tmp_path: Path) -> None:
    assert make_options({"base": base}) == dataclasses.replace(make_options({"arch": arch}), base=base)
    assert make_options({}, written(tmp_path, f'base = "{base}"')).arch == arch
    assert make_options({"base": base, "arch": "seed"}).arch == "seed"
    assert make_options({"base": "mine.keras"}).arch == "seed"


def test_a_recipe_lies_beside_the_users_own_architecture(tmp_path: Path) -> None:
    arch = own(tmp_path)
    assert make_options({"arch": arch}) == TrainOptions(arch=arch)
    own(tmp_path, "epochs = 5\nflip = true\n[quick]\nepochs = 2\n")
    assert make_options({"arch": arch}) == TrainOptions(arch=arch, epochs=5, flip=True)
    assert make_options({"arch": arch}, variant="quick") == TrainOptions(arch=arch, epochs=2, flip=True)


def test_the_later_wins_among_recipe_file_and_choices(tmp_path: Path) -> None:
    arch = own(tmp_path, "epochs = 5\nshift = 1\nerase = 0.1\n[quick]\nepochs = 2\nshift = 2\n")
    config = written(tmp_path, "shift = 3\n[quick]\nerase = 0.3\n")
    assert make_options({"arch": arch}, config) == TrainOptions(arch=arch, epochs=5, shift=3, erase=0.1)
    quick = make_options({"arch": arch, "erase": 0.4}, config, variant="quick")
    assert quick == TrainOptions(arch=arch, epochs=2, shift=3, erase=0.4)
    assert make_options({"arch": arch}, config, variant="quick").erase == 0.3


def test_without_a_quick_variant_there_is_none() -> None:
    with pytest.raises(EdgeError, match=r"seed has no quick variant; expected a table \[quick\].*; next: leave the"):
        make_options({}, variant="quick")


@pytest.mark.parametrize("arch", ["resnet", "mine.py", "mine.py:", "mine.txt:build", "mine.py:not a name", ""])
def test_a_name_that_is_no_architecture_is_refused(arch: str) -> None:
    names = ", ".join(architecture_names())
    expected = f"unknown architecture .*; expected one of {names}, or path/to/file.py:function; next: see --arch"
    with pytest.raises(EdgeError, match=expected):
        make_options({"arch": arch})
    with pytest.raises(EdgeError, match=expected):
        TrainOptions(arch=arch)


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ({}, False),
        ({"shift": 2, "erase": 0.5}, False),
        ({"label_smoothing": 0.1}, True),
        ({"mixup": 0.1}, True),
        ({"cutmix": 0.1}, True),
        ({"teacher": ["a.keras"]}, True),
    ],
)
def test_labels_are_shared_where_something_shares_them(values: dict[str, Any], shares: bool) -> None:
    assert TrainOptions(**values).shares_labels is shares
