"""What is searched: for every training option a fixed value, a range or choices, from a TOML file.

::

    arch = "search"
    learning_rate = { low = 0.02, high = 0.5, log = true }
    shift = { low = 0, high = 2 }
    optimizer = { choices = ["sgd", "adamw"] }

    [arch_options]
    width = { low = 16, high = 96, step = 16 }

    [quick]
    epochs = 3
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from ...common.errors import EdgeError
from ...common.toml import read_toml
from ..arch_options import check_arch_options
from ..options import QUICK, TrainOptions, check_value, make_options

BUILT_IN = Path(__file__).with_name("space.toml")
_ARCH_OPTIONS = "arch_options"
_RANGE_KEYS = ("low", "high", "log", "step")
Plain = bool | int | float | str


class Suggester(Protocol):
    """What chooses values; Optuna's `Trial` is one."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Choose a whole number."""
        ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Choose a number."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Choose one of several."""
        ...


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included; whole numbers where both are.

    Attributes:
        low: the least.
        high: the greatest, not below `low`.
        log: every ratio is as likely as any other, instead of every difference.
        step: from one value to the next; None for every value.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @property
    def probes(self) -> tuple[int | float, ...]:
        """The values that must be possible for all to be."""
        return self.low, self.high

    def suggest(self, name: str, suggester: Suggester) -> int | float:
        """Choose a value."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return suggester.suggest_int(name, self.low, self.high, step=int(self.step or 1), log=self.log)
        return suggester.suggest_float(name, self.low, self.high, step=self.step, log=self.log)


@dataclass(frozen=True)
class Choices:
    """One of several values."""

    choices: tuple[Plain, ...]

    @property
    def probes(self) -> tuple[Plain, ...]:
        """The values that must be possible for all to be."""
        return self.choices

    def suggest(self, name: str, suggester: Suggester) -> Plain:
        """Choose a value."""
        chosen: Plain = suggester.suggest_categorical(name, self.choices)
        return chosen


@dataclass(frozen=True)
class Fixed:
    """The same value in every trial."""

    value: Any

    @property
    def probes(self) -> tuple[Any, ...]:
        """The values that must be possible for all to be."""
        return (self.value,)

    def suggest(self, name: str, suggester: Suggester) -> Any:
        """Return the value."""
        return self.value


Entry = Range | Choices | Fixed


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes:
        entries: by the name of a training option, or ``arch_options.NAME`` for an argument of the architecture.
    """

    entries: Mapping[str, Entry]

    def suggest(self, suggester: Suggester) -> TrainOptions:
        """Choose the options of one training; what the space leaves out is the architecture's recipe, or the default.

        Raises:
            EdgeError: the values do not go together.
        """
        chosen: dict[str, Any] = {}
        for name, entry in self.entries.items():
            value = entry.suggest(name, suggester)
            table, dot, argument = name.partition(".")
            if dot:
                chosen.setdefault(table, {})[argument] = value
            else:
                chosen[name] = value
        return make_options(chosen)

    def fix(self, **values: Any) -> Space:
        """Return the space with some options fixed; None leaves an option as it is."""
        fixed = {name: Fixed(value) for name, value in values.items() if value is not None}
        for name, entry in fixed.items():
            _require_usable(name, entry)
        return Space({**self.entries, **fixed})

    def check_arguments(self, load: Callable[[str], Callable[..., Any]]) -> None:
        """Check that the architecture takes the arguments that are searched.

        Args:
            load: from the name of an architecture to the function that builds it.

        Raises:
            EdgeError: it does not, or it cannot be loaded.
        """
        arch = str(self.entries.get("arch", Fixed(TrainOptions.arch)).probes[0])
        arguments = {name: entry for name, entry in self.entries.items() if name.startswith(f"{_ARCH_OPTIONS}.")}
        build = load(arch) if arguments else None
        for name, entry in arguments.items():
            for value in entry.probes:
                if build is not None:
                    check_arch_options(arch, build, {name.partition(".")[2]: value})

    def as_json(self) -> dict[str, Any]:
        """Return the entries as plain JSON types, which tell one space from another."""
        return {name: _plain(entry) for name, entry in sorted(self.entries.items())}


def _plain(entry: Entry) -> Any:
    content = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(entry).items()}
    return content["value"] if isinstance(entry, Fixed) else content


def read_space(path: Path | None = None, *, quick: bool = False) -> Space:
    """Read a space from a TOML file.

    Args:
        path: the file; None is the built-in space.
        quick: let its table ``[quick]`` win over what stands above it.

    Raises:
        EdgeError: it cannot be read, names what does not exist, or has an entry that cannot be searched.
    """
    path = path or BUILT_IN
    content = read_toml(path)
    variant = content.pop(QUICK, {})
    if quick and not variant:
        raise EdgeError(f"{path} has no quick variant", expected=f"a table [{QUICK}]", hint="use --epochs")
    if not isinstance(variant, dict):
        raise EdgeError(f"{path} has an unusable {QUICK}", expected="a table", got=repr(variant))
    for table in (content, variant):
        if not isinstance(table.get(_ARCH_OPTIONS, {}), dict):
            raise EdgeError(f"{path} has an unusable {_ARCH_OPTIONS}", expected="a table", got=repr(table))
    above, shortened = dict(_entries(path, content)), dict(_entries(path, variant))
    space = Space({**above, **shortened} if quick else above)
    _require_one_arch(path, space)
    return space


def _entries(path: Path, table: dict[str, Any]) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a table, checked."""
    for name, value in table.items():
        if name == _ARCH_OPTIONS:
            yield from ((f"{name}.{argument}", _entry(path, f"{name}.{argument}", v)) for argument, v in value.items())
            continue
        entry = _entry(path, name, value)
        for probe in entry.probes:
            check_value(path, name, probe)
        entry = _as_floats(entry) if isinstance(getattr(TrainOptions(), name), float) else entry
        _require_usable(name, entry)
        yield name, entry


def _entry(path: Path, name: str, value: object) -> Entry:
    if isinstance(value, dict):
        return _choices(path, name, value) if "choices" in value else _range(path, name, value)
    if name.startswith(f"{_ARCH_OPTIONS}.") and not isinstance(value, Plain):
        raise EdgeError(f"{path} has an unusable {name}", expected="a value, a range or choices", got=repr(value))
    return Fixed(value)


def _choices(path: Path, name: str, table: dict[str, Any]) -> Choices:
    _require_keys(path, name, table, ("choices",))
    found = table["choices"]
    if not isinstance(found, list) or not found or not all(isinstance(entry, Plain) for entry in found):
        raise EdgeError(f"{path} has no choices for {name}", expected="a list of plain values", got=repr(found))
    return Choices(tuple(found))


def _range(path: Path, name: str, table: dict[str, Any]) -> Range:
    _require_keys(path, name, table, _RANGE_KEYS)
    missing = [key for key in ("low", "high") if key not in table]
    if missing:
        expected = "low and high, or choices"
        raise EdgeError(f"{path} has an unusable range for {name}", expected=expected, got=f"no {missing[0]}")
    low, high, log, step = (table.get(key) for key in _RANGE_KEYS)
    numbers = [low, high, *([step] if step is not None else [])]
    if not all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
        raise EdgeError(f"{path} has an unusable range for {name}", expected="numbers", got=repr(table))
    if not isinstance(log, bool | None):
        raise EdgeError(f"{path} has an unusable range for {name}", expected="log = true or false", got=repr(log))
    searched = Range(table["low"], table["high"], bool(log), step)
    _require_order(path, name, searched)
    return searched


def _require_keys(path: Path, name: str, table: dict[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            nearest = difflib.get_close_matches(key, (*_RANGE_KEYS, "choices"), n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"use {', '.join(known)}"
            raise EdgeError(f"{path} has an unknown key {key!r} in {name}", hint=hint)


def _require_order(path: Path, name: str, searched: Range) -> None:
    if not searched.low <= searched.high:  # so that nan is refused, too
        got = f"{searched.low} to {searched.high}"
        raise EdgeError(f"{path} has an empty range for {name}", expected="low at most high", got=got)
    if searched.log and (searched.low <= 0 or searched.step is not None):
        got = f"low = {searched.low}, step = {searched.step}"
        raise EdgeError(f"{path} has an unusable range for {name}", expected="log from above 0, no step", got=got)
    if searched.step is not None and not _divides(searched.step, searched.high - searched.low):
        expected = "a step above 0 that leads from low to high"
        raise EdgeError(f"{path} has an unusable range for {name}", expected=expected, got=str(searched.step))


def _divides(step: int | float, width: int | float) -> bool:
    """Tell whether whole steps cover `width`; between whole numbers they are whole.

    >>> _divides(16, 80), _divides(0.1, 0.3), _divides(0.5, 3), _divides(0, 3)
    (True, True, False, False)
    """
    if step <= 0 or (isinstance(width, int) and not isinstance(step, int)):
        return False
    return abs(width / step - round(width / step)) < 1e-9


def _as_floats(entry: Entry) -> Entry:
    """Let whole numbers be numbers where the option is one: 0 to 1 is not two values."""
    return Range(float(entry.low), float(entry.high), entry.log, entry.step) if isinstance(entry, Range) else entry


def _require_usable(name: str, entry: Entry) -> None:
    """Check the values by what a training would refuse."""
    for probe in entry.probes:
        values: dict[str, Any] = {"optimizer": "sgd", name: probe}  # of the optimizers, the one that all goes with
        TrainOptions(**values)


def _require_one_arch(path: Path, space: Space) -> None:
    several = len(space.entries.get("arch", Fixed(TrainOptions.arch)).probes) > 1
    if several and any(name.startswith(f"{_ARCH_OPTIONS}.") for name in space.entries):
        hint = "search each architecture with its arguments in a study of its own"
        raise EdgeError(f"{path} has arguments for several architectures", expected="one arch", hint=hint)
