"""Every seed is accepted, nothing that was found breaks the contract again, and what breaks it is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_edge import EdgeError

from . import contract
from .contract import BrokenContractError, keep_contract
from .seeds import MAKERS
from .targets import FINDS, SEEDS, TARGETS


def files(folder: Path) -> list[object]:
    found = sorted(path for path in folder.glob("*/*") if path.is_file())
    return [pytest.param(path.parent.name, path, id=str(path.relative_to(folder))) for path in found]


@pytest.mark.parametrize(("name", "path"), files(SEEDS))
def test_every_seed_is_accepted(name: str, path: Path) -> None:
    assert keep_contract(TARGETS[name].read, path.read_bytes())


@pytest.mark.parametrize(("name", "path"), files(FINDS))
def test_what_was_found_keeps_the_contract(name: str, path: Path) -> None:
    keep_contract(TARGETS[name].read, path.read_bytes())


def test_every_target_has_seeds_and_they_are_small() -> None:
    assert {maker.__name__ for maker in MAKERS} == set(TARGETS) == {path.name for path in SEEDS.iterdir()}
    assert max(path.stat().st_size for path in [*SEEDS.glob("*/*"), *FINDS.glob("*/*")]) < 5_000


def broken_promises(data: bytes) -> None:
    """Break one promise, which the data names."""
    match data:
        case b"another error":
            raise KeyError(data)
        case b"an error of two lines":
            error = EdgeError("what")
            error.args = ("what\nwhat",)
            raise error
        case b"a verdict":
            raise EdgeError("what", exit_code=1)
        case b"a wrong type":
            contract.require(False, "a wrong type")
        case b"a refusal":
            raise EdgeError("what")


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"another error", KeyError, "another error"),
        (b"an error of two lines", BrokenContractError, "an error that cannot be printed"),
        (b"a verdict", BrokenContractError, "exit code 1"),
        (b"a wrong type", BrokenContractError, "a wrong type"),
    ],
)
def test_a_broken_promise_is_noticed(data: bytes, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        keep_contract(broken_promises, data)


def test_a_kept_promise_is_none_broken() -> None:
    assert keep_contract(broken_promises, b"") is True
    assert keep_contract(broken_promises, b"a refusal") is False


def test_too_long_or_too_much_memory_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contract, "MOST_SECONDS", 0.0)
    with pytest.raises(BrokenContractError, match=r"it took 0\.0 s"):
        keep_contract(lambda data: bytes(100_000).count(b"1"), b"")
    monkeypatch.setattr(contract, "MOST_SECONDS", 60.0)
    monkeypatch.setattr(contract, "MOST_MEMORY_BYTES", 1 << 20)
    more_than_ever = contract.peak_bytes() + (64 << 20)
    with pytest.raises(BrokenContractError, match=r"it took .* MiB of memory"):
        keep_contract(lambda data: bytearray(more_than_ever).replace(b"\0", b"\1"), b"")
