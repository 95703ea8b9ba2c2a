"""Every command in the documentation runs, and the page of all commands is what the commands say of themselves."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from fmnist_edge.benchmarks.boards.tools import missing_tools
from fmnist_edge.dataset import Split

from .command_line import type_in
from .test_cli import COMMANDS

ROOT = Path(__file__).parents[1]
BENCHMARK_IN_SMALL = {
    "fmnist-edge benchmark runs/latest exports/*": "fmnist-edge benchmark runs/latest exports/* --rounds 2",
}
# What takes half an hour is shown in full and run in small; everything else runs as it stands.
IN_SMALL = {
    "fmnist-edge train": "fmnist-edge train --epochs 1 --limit 256",
    "fmnist-edge train --arch compact --quick": "fmnist-edge train --arch compact --quick --epochs 1 --limit 500",
    "fmnist-edge train --config my.toml": "fmnist-edge train --config my.toml --epochs 1 --limit 500",
    **BENCHMARK_IN_SMALL,
    "fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 0.5": (
        "fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 5"  # hardly trained: answers waver
    ),
}
TUNING_ON_A_BOARD = "fmnist-edge tune --quick --trials 2 --study board --objectives accuracy,instructions --board pi5"
MODELS_IN_SMALL = " --epochs 1 --limit 256"  # for every training of the page of models
# Those that are asked about a half of the images would take minutes to answer.
OF_A_HALF_IN_SMALL = r"--arch (large|strong) --fold", "--arch compact --no-teacher --fold"
BENCHMARKS_IN_SMALL = {
    **BENCHMARK_IN_SMALL,
    "fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 0.5 --max-class-drop 2": (
        "fmnist-edge evaluate runs/latest exports/fmnist-seed-int8.onnx --max-drop 9 --max-class-drop 60"
    ),
    "fmnist-edge benchmark exports/fmnist-seed-int8.onnx --reference float.npz --out pi --sustained 60": (
        "fmnist-edge benchmark exports/fmnist-seed-int8.onnx --reference float.npz --out pi --sustained 1"
    ),
}
ON_A_BOARD = "fmnist-edge benchmark exports/fmnist-seed-int8.onnx --out emulated --board pi5"
RUN_BY_CI = {"make test", "make check"}  # .ci/run runs these two, and this test with them


def commands_of(page: Path) -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(command: str, folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def run_here(command: str, folder: Path) -> None:
    """Run a command in this process, which saves loading TensorFlow; most of the README's run as a shell runs them."""
    program, *words = shlex.split(command)
    if program != "fmnist-edge":
        run(command, folder)
        return
    with contextlib.chdir(folder):
        done = type_in(
            *(name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word]))
        )
    assert done.code == 0, f"{command}\n{done.out}\n{done.err}"


@pytest.mark.usefixtures("one_way")
def test_the_commands_of_the_readme_run_in_their_order(tmp_path: Path, test_split: Split) -> None:
    Image.fromarray(test_split.images[0]).save(tmp_path / "picture.png")
    shutil.copy(ROOT / "tests" / "data" / "photos" / "pants-017.jpg", tmp_path / "photo.jpg")
    (tmp_path / "my.toml").write_text('arch = "compact"\nbatch_size = 64\n')
    commands = commands_of(ROOT / "README.md")
    assert "fmnist-edge export --int8 --float32" in commands
    for command in commands:
        if command.startswith(("make", "pip")):  # the tests of the wheel install it
            assert command in RUN_BY_CI | {"make demo", "pip install fmnist-edge"}
        elif command.startswith("fmnist-edge export"):
            run_here(command, tmp_path)  # in one way to quantize: the best of nine takes the seed's 128 MB minutes
        else:
            run(IN_SMALL.get(command, command), tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    run(f"python -c {shlex.quote(code)}", tmp_path)
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.usefixtures("one_way")
def test_the_commands_of_the_page_on_export_run_in_their_order(tmp_path: Path, compact_run: Path) -> None:
    shutil.copytree(compact_run, tmp_path / "runs" / "latest")
    page = ROOT / "docs" / "export.md"
    commands = commands_of(page)
    assert "fmnist-edge export --int8 --format c" in commands
    for command in commands:
        run_here(command, tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    run(f"python -c {shlex.quote(code)}", tmp_path)
    names = {path.name for path in (tmp_path / "exports").iterdir()}
    assert names == {f"fmnist-compact-int8{end}" for end in (".onnx", ".tflite", ".c", ".h", "-arm-dot.onnx")}


@pytest.mark.usefixtures("one_way")
def test_the_commands_of_the_page_of_models_run_in_their_order(tmp_path: Path, compact_run: Path) -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for kind, file in (("python", "mine.py"), ("toml", "mine.toml")):
        (content,) = re.findall(rf"```{kind}\n(# {file}\n.*?)```", page, re.DOTALL)
        (tmp_path / file).write_text(content)
    for name in ("large", "other"):
        shutil.copytree(compact_run, tmp_path / "runs" / name)
    commands = commands_of(ROOT / "docs" / "models.md")
    assert "fmnist-edge train --arch compact" in commands
    for command in commands:
        is_training = command.startswith("fmnist-edge train")
        run_here(re.sub(*OF_A_HALF_IN_SMALL, command) + MODELS_IN_SMALL if is_training else command, tmp_path)
        time.sleep(1.1)  # runs are named by the second
    assert len(list((tmp_path / "exports" / "mine").iterdir())) == 2


def tuned_in_small(command: str) -> str:
    """Return a search, or a training, of one epoch on few images; what only shows or exports stays as it is."""
    small = re.sub(r"--trials [1-9]\d*|--minutes \d+", "--trials 1", command).replace(" --epochs 100", "")
    return small if "--trials 0" in small or "export" in small else f"{small} --epochs 1 --limit 200"


@pytest.mark.usefixtures("one_way")
def test_the_commands_of_the_page_on_tuning_run_in_their_order(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tuning.md").read_text(encoding="utf-8")
    for kind, file in (("toml", "space.toml"), ("python", "net.py"), ("toml", "net.space.toml")):
        (content,) = re.findall(rf"```{kind}\n(# {re.escape(file)}\n.*?)```", page, re.DOTALL)
        (tmp_path / file).write_text(content)
    commands = commands_of(ROOT / "docs" / "tuning.md")
    assert TUNING_ON_A_BOARD in commands
    for command in commands:
        if command != TUNING_ON_A_BOARD:
            run_here(tuned_in_small(command), tmp_path)
    for study in ("first", "search", "mine", "net"):
        assert len(list((tmp_path / "runs" / "tune" / study / "front").iterdir())) == 1
    assert len(list((tmp_path / "exports").iterdir())) == 2


@pytest.mark.skipif(bool(missing_tools()), reason="no emulator on this machine; run: make system")
def test_the_search_on_an_emulated_board_runs(tmp_path: Path) -> None:
    run_here(tuned_in_small(TUNING_ON_A_BOARD), tmp_path)
    (row,) = csv.DictReader((tmp_path / "runs" / "tune" / "board" / "trials.csv").read_text().splitlines())
    assert float(row["instructions-pi5"]) > 50_000


@pytest.fixture
def trained(compact_run: Path, exports: Path, tmp_path: Path) -> Path:
    """A folder as `train` and `export` leave it, under the names of the seed."""
    shutil.copytree(compact_run, tmp_path / "runs" / "latest")
    (tmp_path / "exports").mkdir()
    for name in ("float32.onnx", "int8.onnx", "int8.tflite"):
        shutil.copy(exports / f"fmnist-compact-{name}", tmp_path / "exports" / f"fmnist-seed-{name}")
    return tmp_path


def test_the_commands_of_the_page_on_benchmarking_run_in_their_order(trained: Path) -> None:
    commands = commands_of(ROOT / "docs" / "benchmarking.md")
    assert set(BENCHMARKS_IN_SMALL) | {ON_A_BOARD} < set(commands)
    for command in commands:
        if command != ON_A_BOARD:
            run_here(BENCHMARKS_IN_SMALL.get(command, command), trained)
    for folder in ("report", "pi"):
        assert (trained / folder / "report.html").is_file()


def test_the_commands_of_the_page_on_security_run_in_their_order(trained: Path, test_split: Split) -> None:
    Image.fromarray(test_split.images[0]).save(trained / "picture.png")
    commands = commands_of(ROOT / "docs" / "security.md")
    assert "fmnist-edge sign exports/fmnist-seed-int8.onnx --key maker.key" in commands
    digests = [command for command in commands if "sha256sum" in command or command.startswith("tail ")]
    said = [subprocess.check_output(["bash", "-c", command], cwd=trained, text=True)[:64] for command in digests]
    assert said[0] == said[1]
    for command in commands:
        run_here(command, trained)
    assert (trained / "exports" / "fmnist-compact-int8.tflite.sig").is_file()


@pytest.mark.skipif(bool(missing_tools()), reason="no emulator on this machine; run: make system")
def test_the_command_for_an_emulated_board_runs(trained: Path) -> None:
    run_here(f"{ON_A_BOARD} --rounds 1", trained)
    report = json.loads((trained / "emulated" / "report.json").read_text(encoding="utf-8"))
    (count,) = report["models"][0]["boards"]
    assert count["board"] == "pi5"
    assert count["instructions_per_image"] > 100_000


def test_the_ci_script_runs_what_the_readme_leaves_to_it() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert set(script) >= RUN_BY_CI


def test_make_demo_runs_the_demo(tmp_path: Path) -> None:
    demo = f"--arch compact --limit 500 --out {tmp_path / 'demo'}"
    run(f"make demo READY= VENV={shlex.quote(sys.prefix)} DEMO={shlex.quote(demo)}", ROOT)
    assert (tmp_path / "demo" / "report" / "report.html").is_file()


def help_page() -> str:
    """Return docs/cli.md as it should be."""
    opening = "# The command line\n\nMade from the commands' own `--help`; `tests/test_docs.py` compares the two."
    parts = (f"## fmnist-edge {name}\n\n```text\n{help_of(name)}\n```" for name in COMMANDS)
    return "\n\n".join([opening, *parts]) + "\n"


def help_of(command: str) -> str:
    return type_in(command, "--help").out.strip()


def test_the_page_of_commands_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    page = ROOT / "docs" / "cli.md"
    if os.environ.get("FMNIST_EDGE_WRITE_DOCS"):
        page.write_text(help_page(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == help_page(), "run: make docs"


PAGES = ("architecture", "benchmarking", "export", "faults", "fuzzing", "models", "security", "tuning")


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *(f"docs/{name}.md" for name in PAGES)])
def test_links_to_files_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target
