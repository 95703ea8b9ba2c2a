"""What is searched: read from TOML, chosen from, and every refusal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fmnist_edge.common.errors import EdgeError
from fmnist_edge.train.architectures import load_architecture
from fmnist_edge.train.options import TrainOptions, make_options
from fmnist_edge.train.tuning.objectives import Objective, parse_objectives
from fmnist_edge.train.tuning.space import Choices, Fixed, Range, Space, read_space


class Lowest:
    """Chooses the first or lowest of everything, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[Any, ...]] = {}

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        self.asked[name] = ("int", low, high, step, log)
        return low

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.asked[name] = ("float", low, high, step, log)
        return low

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        self.asked[name] = tuple(choices)
        return choices[0]


def read(folder: Path, text: str, *, quick: bool = False) -> Space:
    path = folder / "space.toml"
    path.write_text(text, encoding="utf-8")
    return read_space(path, quick=quick)


SPACE = """
arch = "search"
epochs = 3
optimizer = { choices = ["adamw", "sgd"] }
learning_rate = { low = 0.01, high = 1, log = true }
erase = { low = 0, high = 1 }
shift = { low = 1, high = 3 }
teacher = ["a.keras"]

[arch_options]
width = { low = 16, high = 96, step = 16 }
block = { choices = ["cross", "square"] }
early = 1

[quick]
epochs = 1

[quick.arch_options]
width = 8
"""


def test_ranges_choices_and_fixed_values_are_chosen_from(tmp_path: Path) -> None:
    lowest = Lowest()
    options = read(tmp_path, SPACE).suggest(lowest)
    assert lowest.asked == {
        "optimizer": ("adamw", "sgd"),
        "learning_rate": ("float", 0.01, 1.0, None, True),
        "erase": ("float", 0.0, 1.0, None, False),
        "shift": ("int", 1, 3, 1, False),
        "arch_options.width": ("int", 16, 96, 16, False),
        "arch_options.block": ("cross", "square"),
    }
    shape = {"width": 16, "block": "cross", "early": 1}
    fixed = {"arch": "search", "epochs": 3, "teacher": ("a.keras",), "arch_options": shape}
    assert options == TrainOptions(**fixed, optimizer="adamw", learning_rate=0.01, shift=1)  # type: ignore[arg-type]


def test_the_quick_variant_and_what_is_fixed_win(tmp_path: Path) -> None:
    space = read(tmp_path, SPACE, quick=True)
    assert space.suggest(Lowest()).arch_options == {"width": 8, "block": "cross", "early": 1}
    assert space.suggest(Lowest()).epochs == 1
    assert space.fix(epochs=7, limit=100, seed=None).suggest(Lowest()).epochs == 7
    assert space.fix(limit=100).entries["limit"] == Fixed(100)
    assert "seed" not in space.fix(seed=None).entries
    with pytest.raises(EdgeError, match="unusable training option epochs; expected at least 1; got 0"):
        space.fix(epochs=0)


def test_what_the_space_leaves_out_is_the_recipe_of_the_architecture(tmp_path: Path) -> None:
    options = read(tmp_path, 'arch = "compact"\nshift = 0\n').suggest(Lowest())
    assert options == make_options({"arch": "compact", "shift": 0})


def test_two_spaces_are_told_apart_by_their_json(tmp_path: Path) -> None:
    space = read(tmp_path, SPACE)
    assert space.as_json()["arch_options.width"] == {"low": 16, "high": 96, "log": False, "step": 16}
    assert space.as_json()["optimizer"] == {"choices": ["adamw", "sgd"]}
    assert space.as_json()["epochs"] == 3
    assert space.as_json() != space.fix(epochs=4).as_json()


def test_the_built_in_space_can_be_searched() -> None:
    for quick in (False, True):
        space = read_space(quick=quick)
        space.check_arguments(load_architecture)
        assert space.suggest(Lowest()).arch == "search"
        kinds = {type(entry) for entry in space.entries.values()}
        assert kinds == {Range, Choices, Fixed}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"unknown key 'epoch'; next: did you mean epochs\?"),
        ("shift = { low = 0, hihg = 2 }", r"unknown key 'hihg' in shift; next: did you mean high\?"),
        ("shift = { choices = [1], low = 0 }", "unknown key 'low' in shift"),
        ("shift = { low = 2, high = 1 }", "empty range for shift; expected low at most high; got 2 to 1"),
        ("erase = { low = nan, high = 1 }", "empty range for erase"),
        ("shift = { low = 0 }", "unusable range for shift; expected low and high, or choices; got no high"),
        ("shift = { low = '0', high = 1 }", "unusable range for shift; expected numbers"),
        ("shift = { low = false, high = 1 }", "unusable range for shift; expected numbers"),
        ("shift = { low = 0, high = 1, log = 3 }", "unusable range for shift; expected log = true or false; got 3"),
        ("erase = { low = 0, high = 1, log = true }", "unusable range for erase; expected log from above 0, no step"),
        ("shift = { low = 1, high = 5, log = true, step = 2 }", "expected log from above 0, no step; got low = 1, st"),
        ("shift = { low = 0, high = 5, step = 2 }", "expected a step above 0 that leads from low to high; got 2"),
        ("shift = { low = 0, high = 5, step = 0 }", "expected a step above 0"),
        ("shift = { low = 0, high = 5, step = 0.5 }", "expected a step above 0"),
        ("shift = { choices = [] }", r"no choices for shift; expected a list of plain values; got \[\]"),
        ("shift = { choices = 3 }", "no choices for shift"),
        ("shift = { low = 0, high = 28 }", "unusable training option shift; expected from 0 to 27; got 28"),
        ("shift = { low = 0.5, high = 2 }", "unusable shift; expected int; got 0.5"),
        ("flip = { low = 0, high = 1 }", "unusable flip; expected bool; got 0"),
        ('optimizer = { choices = ["sgd", "sdg"] }', "unusable training option optimizer; .*; got 'sdg'"),
        ('arch = "serch"', "unknown architecture 'serch'"),
        ("arch_options = 3", "unusable arch_options; expected a table"),
        ("[arch_options]\nwidth = [3]", r"unusable arch_options.width; expected a value, a range or choices"),
        ("quick = 3", "unusable quick; expected a table; got 3"),
        ('arch = { choices = ["seed", "search"] }\n[arch_options]\nwidth = 3', "arguments for several architectures"),
        ("epochs = ", "cannot read .*space.toml; expected a TOML file"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=message):
        read(tmp_path, text)


def test_a_missing_file_and_a_missing_variant_are_named(tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot read .*none.toml; expected a TOML file; got No such file"):
        read_space(tmp_path / "none.toml")
    with pytest.raises(EdgeError, match=r"space.toml has no quick variant; expected a table \[quick\]"):
        read(tmp_path, "epochs = 3", quick=True)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("widht = { low = 8, high = 16 }", r"search has no argument 'widht'; next: did you mean width\?"),
        ("width = { choices = [8, 0.5] }", "cannot be built with this width; expected int; got 0.5"),
    ],
)
def test_arguments_that_the_architecture_does_not_take_are_refused(table: str, message: str, tmp_path: Path) -> None:
    space = read(tmp_path, f'arch = "search"\n[arch_options]\n{table}\n')
    with pytest.raises(EdgeError, match=message):
        space.check_arguments(load_architecture)


def test_values_that_do_not_go_together_are_refused_when_they_are_chosen(tmp_path: Path) -> None:
    space = read(tmp_path, 'optimizer = "adam"\nweight_decay = { low = 0.001, high = 0.01 }')
    with pytest.raises(EdgeError, match="adam has no weight decay"):
        space.suggest(Lowest())


# --- objectives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "boards", "message"),
    [
        ("accuracy,sise", [], r"unknown objective 'sise'; .*; next: did you mean size\?"),
        ("accuracy,accuracy", [], "an objective stands there twice"),
        ("size", [], "a search without accuracy finds the empty network"),
        ("", [], "a search without accuracy"),
        ("accuracy,instructions", [], "instructions are counted on boards; .*--board pi5, or macs"),
        ("accuracy,size", ["pi5"], "instructions are counted on boards"),
    ],
)
def test_objectives_that_make_no_search_are_refused(text: str, boards: list[str], message: str) -> None:
    with pytest.raises(EdgeError, match=message):
        parse_objectives(text, boards)


def test_accuracy_shall_rise_and_costs_shall_fall() -> None:
    found = parse_objectives("accuracy,size,macs,parameters,instructions", ["pi4"])
    assert [objective.direction for objective in found] == ["maximize", *["minimize"] * 4]
    assert [objective.needs_export for objective in found] == [False, True, True, False, True]
    assert Objective("parameters").text(77258) == "77,258"
