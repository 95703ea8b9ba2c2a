"""The house holds: which folder may import which, and which packages each may know."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("common", "dataset", "runtime", "benchmarks", "train", "export", "commands")

MAY_IMPORT = {
    "common": set(),
    "dataset": {"common"},
    "runtime": {"common"},
    "benchmarks": {"common", "dataset", "runtime"},
    "train": {"common", "dataset", "runtime", "benchmarks"},
    "export": {"common", "dataset", "runtime", "benchmarks", "train"},
    "commands": {"common", "dataset", "runtime", "benchmarks", "train", "export"},
}
MAY_KNOW = {
    "common": set(),
    "dataset": {"numpy"},
    "runtime": {"numpy", "onnxruntime", "PIL", "ai_edge_litert", "cryptography"},
    "benchmarks": {"numpy", "matplotlib"},
    "train": {"numpy", "matplotlib", "tensorflow", "keras", "optuna", "sqlalchemy"},
    "export": {
        "numpy",
        "tensorflow",
        "keras",
        "tf2onnx",
        "onnx",
        "onnxruntime",
        "ai_edge_litert",
        "flatbuffers",
        "cryptography",
    },
    "commands": {"typer"},
}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every import of a module as (leading dots, dotted name)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""


def modules() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_inwards(path: Path) -> None:
    folder, *inner = path.relative_to(ROOT).parts
    for level, name in imports_of(path):
        if level > len(inner):
            assert name.split(".")[0] in MAY_IMPORT[folder], f"{path} imports {name}"
        elif level == 0:
            top = name.split(".")[0]
            assert top in MAY_KNOW[folder] or top in sys.stdlib_module_names, f"{path} imports {top}"


def test_the_rules_name_every_folder() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(FOLDERS) == set(MAY_IMPORT) == set(MAY_KNOW)


def test_nothing_but_the_package_and_its_cli_stands_at_the_root() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "cli.py"}


def loaded_by(statement: str) -> set[str]:
    """Run a statement in a fresh interpreter and return the top-level modules that it loaded."""
    code = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    loaded = loaded_by("from fmnist_edge.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")
    assert "fmnist_edge" in loaded
    assert not loaded & {"numpy", "onnxruntime", "PIL", "tensorflow", "keras", "matplotlib", "scipy", "rich", "email"}
    assert not loaded & {"optuna", "sqlalchemy"}


def test_predict_imports_neither_tensorflow_nor_matplotlib(int8_onnx: Path, png: Path) -> None:
    arguments = ["predict", str(png), "--model", str(int8_onnx), "--backend", "onnxruntime"]
    loaded = loaded_by(f"from fmnist_edge.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass")
    assert "onnxruntime" in loaded
    assert not loaded & {
        "tensorflow",
        "keras",
        "matplotlib",
        "scipy",
        "ai_edge_litert",
        "onnx",
        "typer",
        "csv",
        "cryptography",
    }
    assert not loaded & {"_hashlib", "zipfile", "email"}  # megabytes and milliseconds of every start


def test_predict_starts_no_threads_that_it_does_not_need(int8_onnx: Path, png: Path) -> None:
    arguments = ["predict", str(png), "--model", str(int8_onnx), "--backend", "onnxruntime"]
    code = "import os, numpy\nprint(os.environ['OPENBLAS_NUM_THREADS'], len(os.listdir('/proc/self/task')))"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    started = f"from fmnist_edge.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass\n{code}"
    counts = []
    for variable in ({}, {"OPENBLAS_NUM_THREADS": "8"}):
        command = [sys.executable, "-c", started]
        done = subprocess.run(command, env=environment | variable, capture_output=True, text=True, check=True)
        counts.append([int(number) for number in done.stdout.splitlines()[-1].split()])
    (lean, few), (chosen, many) = counts
    assert (lean, chosen) == (1, 8)
    assert few < many or len(os.sched_getaffinity(0)) == 1


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_inspect_imports_neither_tensorflow_nor_matplotlib(kind: str, exports: Path) -> None:
    arguments = ["inspect", str(exports / f"fmnist-compact-int8.{kind}")]
    loaded = loaded_by(f"from fmnist_edge.cli import main\ntry: main({arguments!r})\nexcept SystemExit: pass")
    assert "flatbuffers" in loaded if kind == "tflite" else "onnx" in loaded
    assert not loaded & {"tensorflow", "keras", "tf2onnx", "matplotlib", "scipy"}
