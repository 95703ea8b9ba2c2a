"""Nothing of a file is run, nothing without an end is read to its end, and no name gets the better of a terminal."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fmnist_edge.benchmarks import predictions
from fmnist_edge.benchmarks.predictions import load_predictions
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.dataset import Split
from fmnist_edge.runtime import picture as pictures
from fmnist_edge.runtime.picture import load_picture

ROOT = Path(__file__).parents[1]
FOLDERS = ("common", "commands", "dataset", "runtime", "benchmarks", "train", "export")
RUNS_CODE = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "yaml"}


def calls() -> list[tuple[str, str, ast.Call]]:
    """Return every call in the package: module, what is called, and the call."""
    return [
        (str(path.relative_to(ROOT)), ast.unparse(node.func), node)
        for path in [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    for module, name, call in calls():
        assert name.split(".")[0] not in RUNS_CODE, f"{module}: {name}"
        assert name not in {"eval", "exec", "os.system", "os.popen", "np.fromfile"}, f"{module}: {name}"
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        assert options.get("shell", "False") == "False", f"{module}: {name}"
        assert options.get("allow_pickle", "False") == "False", f"{module}: {name}"
        if name in {"np.load", "numpy.load"}:
            assert options["allow_pickle"] == "False", f"{module}: {name} does not say so"
        if name.endswith("load_model"):
            assert options.get("safe_mode") == "True", f"{module}: {name}"


def test_no_module_that_runs_what_it_reads_is_imported() -> None:
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not RUNS_CODE & {name.split(".")[0] for name in names}, path


def test_predictions_that_unpack_to_gigabytes_are_refused(test_split: Split, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("about.npy", "labels.npy", "probabilities.npy"):
            archive.writestr(name, bytes(100 << 20))
    assert path.stat().st_size < 1 << 20
    match = r"cannot read .*bomb\.npz; expected saved predictions; got 314,572,800 bytes, when at most 268,435,456 are"
    with pytest.raises(EdgeError, match=match):
        load_predictions(path, test_split)
    assert predictions.MAX_BYTES == 268_435_456


def test_a_pipe_without_an_end_is_not_read_to_its_end(
    tmp_path: Path, png: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MAX_BYTES", 100_000)
    with pytest.raises(EdgeError, match="/dev/zero is too large; expected a picture of at most 100,000 bytes"):
        load_picture("/dev/zero")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(png.read_bytes(),))
    writer.start()
    assert load_picture(pipe).shape == (28, 28)  # one that ends is read as ever
    writer.join()


def test_standard_input_without_an_end_is_not_read_to_its_end(int8_onnx: Path) -> None:
    command = [sys.executable, "-m", "fmnist_edge.cli", "predict", "-", "--model", str(int8_onnx)]
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(command, stdin=endless, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2
    assert "standard input is too large; expected a picture of at most 128,000,000 bytes; got more" in done.stderr


@pytest.mark.parametrize("how", [[], ["--json"], ["--csv"]], ids=["table", "json", "csv"])
def test_a_name_that_is_no_text_is_printed_all_the_same(how: list[str], int8_onnx: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(folder / "a.png")
    Path(folder / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b[2J.png"))
    command = [sys.executable, "-m", "fmnist_edge.cli", "predict", str(folder), "--model", str(int8_onnx), *how]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, b"")
    if not how:
        assert b"\x1b" not in done.stdout
        assert b"??[2J.png" in done.stdout
