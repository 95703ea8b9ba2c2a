"""The wheel holds exactly the package, and its base install predicts in an environment without TensorFlow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from fmnist_edge.common.box import NAMES
from fmnist_edge.common.files import sha256_hex

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "common",
    "dataset",
    "runtime",
    "runtime/doctor",
    "benchmarks",
    "benchmarks/boards",
    "benchmarks/page",
    "train",
    "train/architectures",
    "train/tuning",
    "export",
    "commands",
)
DATA = {
    "fmnist_edge/py.typed",
    "fmnist_edge/benchmarks/boards/count.c",
    "fmnist_edge/train/architectures/compact.toml",
    "fmnist_edge/train/architectures/large.toml",
    "fmnist_edge/train/architectures/strong.toml",
    "fmnist_edge/models/models.json",
    *(f"fmnist_edge/models/fmnist-{name}{end}" for name in NAMES for end in (".keras", "-int8.onnx", "-int8.tflite")),
    "fmnist_edge/train/tuning/space.toml",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of the source distribution as a package index would build it; both lie in one folder.

    A copy of the tree is built: a build writes beside the sources, which other tests look at meanwhile.
    """
    folder, tree = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("tree")
    copy_tree(tree)
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in (ROOT / package).glob("*.py"))]
    expected = {f"fmnist_edge/{path.relative_to(ROOT).as_posix()}" for path in modules} | DATA
    assert names == expected


def test_the_models_in_the_box_are_in_both_distributions_to_the_byte(wheel: Path) -> None:
    (source,) = wheel.parent.glob("*.tar.gz")
    files = sorted((ROOT / "models").iterdir())
    assert len(files) == 3 * len(NAMES) + 1
    with zipfile.ZipFile(wheel) as archive, tarfile.open(source) as tar:
        for path in files:
            assert archive.read(f"fmnist_edge/models/{path.name}") == path.read_bytes()
            member = tar.extractfile(f"{source.name.removesuffix('.tar.gz')}/models/{path.name}")
            assert member is not None
            assert member.read() == path.read_bytes()


def copy_tree(folder: Path, *, reverse: bool = False, mode: int = 0o644, age_s: int = 0) -> None:
    """Copy what the package is built of, with these rights, changed so long before a fixed time."""
    folders = {"models", *(path.split("/", maxsplit=1)[0] for path in PACKAGES)}
    inside = [path for name in folders for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts]
    beside = ("py.typed", "LICENSE", "README.md", "pyproject.toml", "Makefile")
    files = [*ROOT.glob("*.py"), *(ROOT / name for name in beside)]
    for path in sorted([*files, *(path for path in inside if path.is_file())], reverse=reverse):
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(mode)
        os.utime(copy, (1_700_000_000 - age_s,) * 2)


def build_copy(folder: Path, *, reverse: bool, mode: int, age_s: int) -> bytes:
    """Build the wheel of a copy of the tree: its files written in another order, at another time, with other rights."""
    copy_tree(folder, reverse=reverse, mode=mode, age_s=age_s)
    command = ["make", "wheel", "READY=", f"VENV={sys.prefix}"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder)
    (path,) = (folder / "dist").glob("*.whl")
    return path.read_bytes()


def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    one = build_copy(tmp_path / "one", reverse=False, mode=0o644, age_s=0)
    other = build_copy(tmp_path / "other", reverse=True, mode=0o600, age_s=400 * 86_400)
    assert sha256_hex(one) == sha256_hex(other)


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh virtual environment with the wheel's base dependencies only."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    constraints = str(ROOT / "constraints.txt")
    command = [str(python), "-m", "pip", "install", "--quiet", "--constraint", constraints, str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return python


def test_the_base_install_is_light(bare_python: Path) -> None:
    listed = subprocess.run([bare_python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True)
    names = {entry["name"].lower() for entry in json.loads(listed.stdout)}
    assert {"fmnist-edge", "numpy", "onnxruntime", "pillow", "typer"} <= names
    assert not names & {
        "tensorflow",
        "keras",
        "onnx",
        "tf2onnx",
        "matplotlib",
        "scipy",
        "ai-edge-litert",
        "cryptography",
    }


def test_the_runtime_predicts_without_tensorflow(bare_python: Path, int8_onnx: Path, png: Path) -> None:
    code = (
        "import pkgutil, importlib, sys\n"
        "import fmnist_edge.runtime as runtime\n"
        "for module in pkgutil.iter_modules(runtime.__path__):\n"
        "    importlib.import_module(f'fmnist_edge.runtime.{module.name}')\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print(len(runtime.Classifier(sys.argv[1]).predict(sys.argv[2]).probabilities))\n"
    )
    done = subprocess.run([bare_python, "-c", code, int8_onnx, png], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "10"


def test_the_command_of_the_base_install_predicts(bare_python: Path, int8_onnx: Path, png: Path) -> None:
    command = [bare_python.with_name("fmnist-edge"), "predict", png, "--model", int8_onnx, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["file"] == str(png)
    assert done.stderr == ""


def test_a_photo_is_predicted_right_after_installation(bare_python: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "data" / "photos" / "pants-017.jpg", tmp_path / "photo.jpg")
    command = [bare_python.with_name("fmnist-edge"), "predict", "photo.jpg"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split()[:2] == ["photo.jpg", "Trouser"]
    assert done.stderr == "answered by fmnist-compact-photo-int8.onnx, in the box; --model takes another\n"
    command = [bare_python.with_name("fmnist-edge"), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "model           in the box: fmnist-compact-int8.onnx loads and answers" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train"], "fmnist-edge[train]"),
        (["tune"], "fmnist-edge[tune]"),
        (["evaluate", "model.keras"], "fmnist-edge[train]"),
        (["predict", "boot.png", "--model", "int8.tflite"], "fmnist-edge[litert]"),
        (["inspect", "int8.tflite"], "fmnist-edge[inspect]"),
        (["predict", "boot.png", "--model", "int8.tflite", "--require-signature", "maker.pub"], "fmnist-edge[sign]"),
        (["sign", "int8.tflite", "--key", "maker.key"], "fmnist-edge[sign]"),
        (["verify", "int8.tflite", "--public-key", "maker.pub"], "fmnist-edge[sign]"),
    ],
)
def test_what_needs_an_extra_names_it(
    arguments: list[str], says: str, bare_python: Path, compact_run: Path, int8_tflite: Path, png: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes((compact_run / "model.keras").read_bytes())
    (tmp_path / "int8.tflite").write_bytes(int8_tflite.read_bytes())
    command = [bare_python.with_name("fmnist-edge"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
