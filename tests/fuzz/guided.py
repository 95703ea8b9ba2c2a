"""Fuzz one reader, guided by which of its branches an input takes (atheris, on libFuzzer).

python -m tests.fuzz.guided TARGET [-runs=N] [-seed=N] [any other option of libFuzzer] [FOLDER...]

Inputs that took a new branch are kept in the first FOLDER, if there is one, and built upon the next time. What is found
lies in the working folder, as crash-SHA1 (see -artifact_prefix); the last line says what was done.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris

# The excluded modules compare arrays: atheris never frees what a traced comparison of two arrays returned.
with atheris.instrument_imports(
    include=["fmnist_edge", "tomllib", "zipfile", "gzip", "PIL"],
    exclude=[f"fmnist_edge.benchmarks.{module}" for module in ("changes", "comparison", "evaluation")],
):
    from .targets import FINDS, SEEDS, TARGETS

    importlib.import_module("zipfile")
    importlib.import_module("PIL.Image").init()  # all formats: which one is tried first shall not depend on the input

from .containers import CONTAINERS, HOLD_JSON
from .contract import keep_contract, peak_bytes
from .trees import change_json

LIMITS = ("-rss_limit_mb=512", "-timeout=300")
"""A hang is told by processor time (`contract.py`); this is for one that waits."""


class Count:
    """Tries inputs, counts them, and says so after the last."""

    def __init__(self, name: str, runs: int) -> None:
        self._name, self._runs = name, runs
        self._read = TARGETS[name].read
        self._begun = time.monotonic()
        self.tried = self.accepted = 0

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        self.tried += 1
        try:
            self.accepted += keep_contract(self._read, data)
        except BaseException:
            self.say()
            raise
        if self.tried == self._runs:  # libFuzzer ends the process without asking Python
            self.say()

    def say(self) -> None:
        """Print what was done."""
        seconds = time.monotonic() - self._begun
        print(  # noqa: T201 - a program
            f"{self._name}: {self.tried:,} executions in {seconds:,.0f} s ({self.tried / max(seconds, 1e-9):,.0f} a "
            f"second), {self.accepted:,} accepted, at most {peak_bytes() >> 20} MiB",
            flush=True,
        )


def mutator(name: str) -> Callable[[bytes, int, int], bytes]:
    """Return what changes an input: the bytes as they lie there, those inside a container, or JSON as JSON."""
    unwrap = CONTAINERS[name]

    def mutate(data: bytes, most_bytes: int, seed: int) -> bytes:
        random = Random(seed)  # noqa: S311 - not for secrets
        found = unwrap(data) if random.randrange(2) else None
        inner, wrap = found or (data, bytes)
        tree = change_json(inner, random) if name in HOLD_JSON and random.randrange(2) else None
        changed: bytes = wrap(atheris.Mutate(inner, most_bytes) if tree is None else tree)
        return changed[:most_bytes]

    return mutate


def dictionary(words: tuple[bytes, ...], folder: Path) -> str:
    """Write the words in the form that libFuzzer reads."""
    path = folder / "words"
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in words]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return f"-dict={path}"


def main() -> None:
    """Fuzz until the runs are done or the contract is broken."""
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    runs = [int(option.removeprefix("-runs=")) for option in options if option.startswith("-runs=")]
    count = Count(name, *(runs[-1:] or [0]))
    with tempfile.TemporaryDirectory() as folder:
        chosen = [*LIMITS, f"-max_len={target.most_bytes}", dictionary(target.words, Path(folder)), *options]
        kept = [] if any(not option.startswith("-") for option in options) else [str(Path(folder) / "kept")]
        inputs = [str(path) for path in (SEEDS / name, FINDS / name) if path.is_dir()]
        more = {"custom_mutator": mutator(name)} if name in CONTAINERS else {}
        (Path(folder) / "kept").mkdir()
        atheris.Setup([sys.argv[0], *chosen, *kept, *inputs], count, **more)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
