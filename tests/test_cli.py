"""The command line: what each command prints and writes, and what it says of bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from fmnist_edge.runtime.card import read_onnx_file_card

from .command_line import Done, type_in

Run = Callable[..., Done]
PHOTOS = Path(__file__).parent / "data" / "photos"
COMMANDS = (
    "data",
    "train",
    "tune",
    "export",
    "inspect",
    "sign",
    "verify",
    "predict",
    "watch",
    "camera",
    "evaluate",
    "benchmark",
    "compare",
    "doctor",
    "demo",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return type_in


def one_line_error(done: Done, *words: str) -> None:
    """Check the contract for bad input: exit code 2, one line on standard error that says `words`, no result."""
    assert done.code == 2
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if line.startswith("fmnist-edge: ")]
    assert len(lines) == 1, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in lines[0]


# --- what works ----------------------------------------------------------------------------------------------------


def test_version_and_help(run: Run) -> None:
    assert run("--version").out.startswith("fmnist-edge 0.")
    shown = run("--help").out
    for command in COMMANDS:
        assert command in shown
        assert "Example: fmnist-edge" in " ".join(run(command, "--help").out.split())


def test_data_says_where_and_how_much(run: Run) -> None:
    answer = json.loads(run("data", "--json").out)
    assert (answer["train"], answer["validation"], answer["test"]) == (55_000, 5_000, 10_000)
    assert Path(answer["folder"]).is_dir()
    assert answer["folder"] in run("data").out


@pytest.mark.usefixtures("one_way")
def test_train_export_predict_evaluate_as_typed(run: Run, png: Path, tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('arch = "compact"\nepochs = 1\nlimit = 2000\n')
    trained = run("train", "--config", "quick.toml", "--batch-size", 50)
    assert trained.code == 0
    assert "validation accuracy" in trained.out
    assert "epoch 1/1: loss" in trained.err
    assert (tmp_path / "runs" / "latest" / "model.keras").is_file()

    exported = run("export", "--int8")
    assert exported.code == 0
    assert exported.out.count("11 of 11 convolutions and dense layers in int8") == 2
    assert exported.out.count("; worst layer ") == 2
    assert sorted(path.name for path in Path("exports").iterdir()) == [
        "fmnist-compact-int8.onnx",
        "fmnist-compact-int8.tflite",
    ]

    again = run("export", "--int8")
    one_line_error(again, "exists", "--force")
    assert run("export", "--int8", "--force", "--format", "onnx").code == 0

    answer = json.loads(run("predict", png, "--top", 3, "--json").out)
    assert len(answer["top"]) == 3
    assert answer["label"] == answer["top"][0]["label"]
    for kind in ("onnx", "tflite"):
        assert answer["label"] in run("predict", png, "--model", f"exports/fmnist-compact-int8.{kind}").out

    scored = run("evaluate", "runs/latest", "exports/fmnist-compact-int8.onnx", "--json", "scores.json")
    assert scored.code == 0
    assert "confusion matrix" in scored.out
    assert [model["n"] for model in json.loads(Path("scores.json").read_text())["models"]] == [10_000, 10_000]


def test_the_gate_ends_with_1_and_says_why(run: Run, compact_run: Path, int8_onnx: Path) -> None:
    passed = run("evaluate", compact_run, int8_onnx, "--split", "validation", "--max-drop", 50)
    assert (passed.code, passed.err.count("fails")) == (0, 0)
    failed = run("evaluate", compact_run, int8_onnx, "--split", "validation", "--max-drop", -50)
    assert failed.code == 1
    assert "over the limit of -50" in failed.err


@pytest.mark.usefixtures("one_way")
def test_the_gate_of_export_writes_nothing_that_may_lose_more(run: Run, compact_run: Path, tmp_path: Path) -> None:
    refused = run("export", compact_run, "--int8", "--max-drop", -50)
    assert refused.code == 1
    for words in ("fmnist-compact-int8.onnx fails", "over the limit of -50", "it was not written", "look at", "dB"):
        assert words in refused.err
    assert list((tmp_path / "exports").iterdir()) == []
    assert run("export", compact_run, "--int8", "--max-drop", 50).code == 0
    assert len(list((tmp_path / "exports").iterdir())) == 2


@pytest.mark.usefixtures("one_way")
def test_export_writes_c_for_a_microcontroller(run: Run, compact_run: Path, tmp_path: Path) -> None:
    done = run("export", compact_run, "--all", "--format", "c")
    assert done.code == 0
    names = [f"fmnist-compact-{recipe}.{suffix}" for recipe in ("int8", "int16x8") for suffix in ("c", "h")]
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == sorted(names)
    wrote = [line.split()[1] for line in done.out.splitlines() if line.startswith("wrote ")]
    assert wrote == [f"exports/{name}" for name in names]
    for recipe in ("float32", "float16", "dynamic"):
        assert f"left out: there is no {recipe} as .c, because" in done.err


@pytest.mark.usefixtures("one_way")
def test_what_a_format_does_not_have_is_left_out_with_a_line_or_refused(run: Run, compact_run: Path) -> None:
    done = run("export", compact_run, "--int16x8")
    assert (done.code, done.out.count("wrote ")) == (0, 1)
    assert "left out: there is no int16x8 as .onnx, because onnxruntime has no kernels" in done.err
    refused = run("export", compact_run, "--int16x8", "--format", "onnx", "--force")
    one_line_error(
        refused, "no int16x8 as .onnx, because onnxruntime has no", "next: --int8 in ONNX, or --int16x8 --fo"
    )
    one_line_error(run("export", compact_run, "--float32", "--format", "c"), "no float32 as .c", "next: --int8")


def test_benchmark_writes_a_report(run: Run, compact_run: Path, exports: Path, tmp_path: Path) -> None:
    files = sorted(exports.glob("*int8*")) + sorted(exports.glob("*float32*"))
    done = run("benchmark", compact_run, *files, "--rounds", 1)
    assert done.code == 0
    for word in ("float:", "int8:", "gained:", "report/report.html"):
        assert word in done.out
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert len(report["models"]) == 5
    assert all(model["latency_ms"]["p50"] > 0 for model in report["models"][1:])


def test_inspect_shows_every_operator_of_every_file(run: Run, exports: Path) -> None:
    files = [exports / f"fmnist-compact-{name}" for name in ("int8.onnx", "int8.tflite", "float32.tflite")]
    done = run("inspect", *files)
    assert (done.code, done.err) == (0, "")
    for words in (
        "| QLinearConv ",
        "| CONV_2D ",
        "Signal to quantization noise, worst first",
        "XNNPACK",
        "labels: T-sh",
    ):
        assert words in done.out
    lines = run("inspect", *files, "--json").out.splitlines()
    assert [json.loads(line)["name"] for line in lines] == [path.name for path in files]
    assert [json.loads(line)["arithmetic"] for line in lines] == ["int8", "int8", "float32"]


def test_inspect_ends_with_1_where_a_file_is_not_what_it_claims(run: Run, exports: Path, tmp_path: Path) -> None:
    content = bytearray((exports / "fmnist-compact-int8.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.onnx").write_bytes(content)
    files = ("changed.onnx", exports / "fmnist-compact-int8.tflite")
    one_line_error(run("inspect", *files), "changed.onnx was changed or damaged; expected SHA-256")
    done = run("inspect", *files, "--allow-unverified")
    assert done.code == 1
    assert done.err.startswith("fmnist-edge: changed.onnx was changed or damaged; expected SHA-256")
    assert done.out.count("Operators as they are executed") == 2


def test_inspect_asks_for_a_proof_before_a_runtime_sees_the_file(
    run: Run, int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(path: Path) -> None:
        raise RuntimeError("parsed")

    (tmp_path / "other.onnx").write_bytes(int8_onnx.read_bytes()[: read_onnx_file_card(int8_onnx).graph_bytes])
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "maker.pub").write_bytes(pem)
    assert run("inspect", "other.onnx", "--allow-unverified").code == 0
    monkeypatch.setattr("fmnist_edge.export.operators_onnx.read_onnx", parse)
    one_line_error(run("inspect", "other.onnx"), "other.onnx has no ModelCard", "--allow-unverified")
    one_line_error(run("inspect", int8_onnx, "--require-signature", "maker.pub"), "is not signed")
    monkeypatch.setenv("FMNIST_EDGE_REQUIRE_SIGNATURE", "maker.pub")
    one_line_error(run("inspect", int8_onnx), "is not signed")


def test_inspect_of_what_is_no_model_file(run: Run, compact_run: Path, int8_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    one_line_error(run("inspect", int8_onnx, "text.onnx"), "text.onnx has no ModelCard")
    one_line_error(run("inspect", "text.onnx", "--allow-unverified"), "cannot load text.onnx")
    one_line_error(run("inspect", compact_run / "model.keras"), "export it first: fmnist-edge export")
    one_line_error(run("inspect", compact_run), "got a folder")


@pytest.mark.usefixtures("one_way")
def test_demo_walks_the_whole_path_and_can_be_repeated(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--arch", "compact", "--limit", 2000)
    assert done.code == 0
    assert "one pass over the first 2,000 training images" in done.err
    assert len(list((tmp_path / "demo" / "exports").iterdir())) == 8
    assert (tmp_path / "demo" / "report" / "report.html").is_file()
    assert "report: demo/report/report.json" in done.out
    repeated = run("demo", "--arch", "compact", "--limit", 2000)
    assert repeated.code == 0
    assert "using the model that was trained" in repeated.err


def test_several_pictures_with_a_bad_one_among_them(run: Run, png: Path, int8_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("not a picture")
    done = run("predict", png, "bad.png", "none.png", "empty*", png, "--model", int8_onnx, "--json")
    assert done.code == 1
    assert [json.loads(line)["file"] for line in done.out.splitlines()] == [str(png), str(png)]
    assert len(done.err.splitlines()) == 3
    for name in ("bad.png", "none.png", "empty*"):
        assert name in done.err


def test_folders_patterns_and_standard_input(
    run: Run, png: Path, int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("b.png", "a.PNG", "notes.txt", ".hidden.png"):
        shutil.copy(png, folder / name)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(png.read_bytes())))
    done = run("predict", "photos", "photos/*.png", "-", "--model", int8_onnx, "--json")
    assert done.code == 0
    files = [json.loads(line)["file"] for line in done.out.splitlines()]
    assert files == ["photos/a.PNG", "photos/b.png", "photos/b.png", "-"]


def test_the_three_ways_to_print_say_the_same(run: Run, png: Path, int8_onnx: Path) -> None:
    photo = PHOTOS / "dress-001.jpg"
    given = ("predict", png, photo, "--model", int8_onnx, "--top", 2)
    objects = [json.loads(line) for line in run(*given, "--json").out.splitlines()]
    rows = list(csv.DictReader(run(*given, "--csv").out.splitlines()))
    lines = run(*given).out.splitlines()
    assert [said["as"] for said in objects] == ["dataset", "photo"]
    for said, row, line in zip(objects, rows, lines, strict=True):
        second = said["top"][1]
        assert list(said) == ["file", "label", "index", "probability", "confidence", "unsure", "as", "top"]
        assert row == {
            "file": said["file"],
            "label": said["label"],
            "probability": str(said["probability"]),
            "confidence": str(said["confidence"]),
            "unsure": "yes" if said["unsure"] else "no",
            "label_2": second["label"],
            "probability_2": str(second["probability"]),
        }
        assert line.startswith(said["file"])
        assert f"{said['label']:<11} {said['probability']:6.1%}" in line
        assert f"{second['label']:<11} {second['probability']:6.1%}" in line
        assert line.endswith("unsure") is said["unsure"]


def test_as_decides_what_a_picture_is_taken_for(run: Run, png: Path, int8_onnx: Path) -> None:
    for kind in ("dataset", "photo"):
        done = run("predict", png, "--model", int8_onnx, "--as", kind, "--json")
        assert json.loads(done.out)["as"] == kind
    assert run("predict", png, "--model", int8_onnx, "--as", "painting").code == 2


def test_show_draws_a_row_for_every_picture(run: Run, png: Path, int8_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_text("not a picture")
    done = run("predict", PHOTOS / "dress-001.jpg", "bad.jpg", png, "--model", int8_onnx, "--show", "sheet.png")
    assert done.code == 1
    with Image.open(tmp_path / "sheet.png") as sheet:
        one = sheet.height
    assert run("predict", png, "--model", int8_onnx, "--show", "sheet.png").code == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height < one <= 2 * sheet.height
    one_line_error(run("predict", png, "--model", int8_onnx, "--show", "sheet.xyz")._replace(out=""), "sheet.xyz")


def test_progress_is_for_many_pictures(run: Run, png: Path, int8_onnx: Path) -> None:
    assert run("predict", *[png] * 19, "--model", int8_onnx).err == ""
    many = run("predict", *[png] * 20, "--model", int8_onnx)
    assert len(many.out.splitlines()) == 20
    assert many.err.startswith("predicting: done in")


def test_json_and_csv_at_once(run: Run, png: Path, int8_onnx: Path) -> None:
    one_line_error(run("predict", png, "--model", int8_onnx, "--json", "--csv"), "cannot print JSON and CSV at once")


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["onnx", "tflite"])
@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path, good: None, "no file at"),
        (lambda path, good: path.mkdir(), "not a file|no trained model"),
        (lambda path, good: path.write_bytes(b""), "is empty"),
        (lambda path, good: path.write_text("hello"), "expected|no ModelCard"),
        (lambda path, good: path.write_bytes(good[: len(good) // 2]), "expected|no ModelCard"),
        (lambda path, good: path.write_bytes(good[:-1000]), "expected|no ModelCard"),
    ],
    ids=["missing", "folder", "empty", "text", "half", "tail"],
)
@pytest.mark.parametrize("command", ["predict", "evaluate", "benchmark"])
def test_bad_model_files(
    run: Run,
    suffix: str,
    spoil: Callable[[Path, bytes], object],
    says: str,
    command: str,
    exports: Path,
    png: Path,
    tmp_path: Path,
) -> None:
    path = tmp_path / f"model.{suffix}"
    spoil(path, (exports / f"fmnist-compact-int8.{suffix}").read_bytes())
    done = run("predict", png, "--model", path) if command == "predict" else run(command, path)
    one_line_error(done, path.name)
    assert any(word in done.err for word in says.split("|"))
    assert not list(tmp_path.glob("report/*"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path, good: None, "no model at"),
        (lambda path, good: path.write_bytes(b""), "expected"),
        (lambda path, good: path.write_text("hello"), "no zip archive"),
        (lambda path, good: path.write_bytes(good[: len(good) // 2]), "no zip archive"),
    ],
    ids=["missing", "empty", "text", "half"],
)
def test_bad_keras_files(
    run: Run, spoil: Callable[[Path, bytes], object], says: str, compact_run: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mine.keras"
    spoil(path, (compact_run / "model.keras").read_bytes())
    one_line_error(run("export", path), "mine.keras", says)
    assert not list(tmp_path.glob("exports/*"))


def test_a_folder_without_a_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    one_line_error(run("export", "empty"), "no trained model", "fmnist-edge train")
    one_line_error(run("export"), "no model at runs/latest", "fmnist-edge train")
    one_line_error(run("train", "--resume"), "nothing to resume")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"), (b"hello", "expected a picture"), (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "expected a picture")],
    ids=["empty", "text", "truncated"],
)
def test_bad_pictures(run: Run, content: bytes, says: str, int8_onnx: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    one_line_error(run("predict", "bad.png", "--model", int8_onnx), "bad.png", says)


def test_missing_picture_and_folder_for_a_picture(run: Run, int8_onnx: Path, tmp_path: Path) -> None:
    one_line_error(run("predict", "none.png", "--model", int8_onnx), "none.png", "No such file")
    (tmp_path / "empty").mkdir()
    one_line_error(run("predict", "empty", "--model", int8_onnx), "no pictures in empty", ".jpg")
    one_line_error(run("predict", "*.gif", "--model", int8_onnx), "no file matches *.gif")


# --- the models in the box --------------------------------------------------------------------------------------------

ANOTHER = "; --model takes another\n"
ONNX = ("--backend", "onnxruntime")  # which of both formats is faster depends on the machine


def test_predict_takes_the_models_in_the_box_where_there_is_no_export(run: Run, png: Path) -> None:
    photo = PHOTOS / "dress-001.jpg"
    done = run("predict", png, *ONNX)
    assert (done.code, done.err) == (0, f"answered by fmnist-compact-int8.onnx, in the box{ANOTHER}")
    assert "Ankle boot" in done.out
    done = run("predict", photo, *ONNX)
    assert (done.code, done.err) == (0, f"answered by fmnist-compact-photo-int8.onnx, in the box{ANOTHER}")
    both = "fmnist-compact-photo-int8.onnx and fmnist-compact-int8.onnx"
    assert run("predict", photo, png, *ONNX).err == f"answered by {both}, in the box{ANOTHER}"


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_what_another_program_reads_is_not_told_of_the_model(run: Run, png: Path, option: str) -> None:
    done = run("predict", png, option)
    assert (done.code, done.err) == (0, "")


def test_an_export_replaces_the_models_in_the_box_until_they_are_named(run: Run, png: Path, int8_onnx: Path) -> None:
    folder = Path("exports")
    folder.mkdir()
    shutil.copy(int8_onnx, folder / "fmnist-mine-int8.onnx")
    mine = run("predict", png, *ONNX)
    assert mine.err == f"answered by exports/fmnist-mine-int8.onnx, the newest export{ANOTHER}"
    named = run("predict", png, "--model", "exports/fmnist-mine-int8.onnx", *ONNX)
    assert (named.out, named.err) == (mine.out, "")
    shipped = run("predict", png, "--model", "box", *ONNX)
    assert (shipped.code, shipped.err) == (0, "")
    assert shipped.out != mine.out
    assert shipped.out == run("predict", png, "--model", "compact", *ONNX).out


def test_every_command_for_models_knows_the_names_of_the_box(run: Run, png: Path) -> None:
    assert run("predict", png, "--model", "compact-photo").code == 0
    assert "in the box: fmnist-compact-int8.onnx loads and answers" in run("doctor", "--model", "box").out
    assert "fmnist-compact-photo-int8.onnx loads and answers" in run("doctor", "--model", "compact-photo").out
    assert "11 of 11 convolutions and dense layers in int8" in run("inspect", "compact").out
    scored = run("evaluate", "compact", "compact-photo", "--split", "validation", "--json", "scores.json")
    assert scored.code == 0
    assert [model["name"] for model in json.loads(Path("scores.json").read_text())["models"]] == [
        "fmnist-compact-int8.onnx",
        "fmnist-compact-photo-int8.onnx",
    ]
    assert run("export", "compact", "--float32", "--format", "onnx").code == 0
    assert [path.name for path in Path("exports").iterdir()] == ["fmnist-compact-float32.onnx"]


def test_a_broken_installation_is_one_line(
    run: Run, png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmnist_edge.common.box.FOLDER", tmp_path)
    says = "pip install --force-reinstall --no-deps fmnist-edge"
    for command in (["predict", png], ["watch", tmp_path]):
        one_line_error(run(*command), f"no model at {tmp_path}/fmnist-compact-int8.onnx", says)
    for name in ("compact", "compact-photo"):
        (tmp_path / f"fmnist-{name}-int8.onnx").write_bytes(b"half")
    one_line_error(run("predict", png, png), f"{tmp_path}/fmnist-compact-int8.onnx has no ModelCard", "truncated")


@pytest.mark.parametrize("place", ["/proc/fmnist-edge", "file/inside"])
def test_unwritable_output_folders(
    run: Run, place: str, compact_run: Path, int8_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    one_line_error(run("export", compact_run, "--out", place), place)
    one_line_error(run("benchmark", int8_onnx, "--out", place), place)
    monkeypatch.delattr("fmnist_edge.train.trainer.teacher_answers")  # to ask the teacher first would take minutes
    one_line_error(run("train", "--arch", "compact", "--out", place), place)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--arch", "resnet"], "unknown architecture|one of compact, search, seed"),
        (["--epochs", "0"], "at least 1"),
        (["--batch-size", "0"], "at least 1"),
        (["--learning-rate", "-1"], "above 0"),
        (["--dropout", "1"], "below 1"),
        (["--config", "none.toml"], "No such file"),
        (["--config", "typo.toml"], "did you mean epochs?"),
        (["--resume", "--epochs", "3"], "options of the run"),
        (["--resume", "--quick"], "options of the run"),
        (["--quick"], "seed has no quick variant"),
        (["--optimizer", "adamax"], "one of adam, adamw, sgd"),
        (["--schedule", "step"], "one of constant, cosine, one-cycle"),
        (["--shift", "28"], "from 0 to 27"),
        (["--weight-decay", "0.1"], "adamw or sgd"),
        (["--arch", "none.py:build"], "cannot read none.py"),
        (["--arch", "mine.py:make"], "mine.py has no function make"),
        (["--arch", "mine.py:build"], "mine.py:build does not build"),
        (["--arch", "compact", "--teacher", "none.keras"], "cannot read none.keras"),
        (["--arch", "compact", "--teacher", "strong", "--no-teacher"], "--teacher and --no-teacher"),
    ],
)
def test_bad_training_options(run: Run, arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "typo.toml").write_text("epoch = 3\n")
    (tmp_path / "mine.py").write_text("def build(*, classes, dropout): ...\n")
    done = run("train", *arguments)
    one_line_error(done)
    assert any(word in done.err for word in says.split("|"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("one_way")
def test_an_architecture_of_ones_own_is_trained_by_its_recipe_and_exported(run: Run, tmp_path: Path) -> None:
    from fmnist_edge.train.architectures import compact

    source = (
        Path(compact.__file__).read_text(encoding="utf-8").replace("from ..blocks", "from fmnist_edge.train.blocks")
    )
    (tmp_path / "mine.py").write_text(
        source.replace("_WIDE = 16, 48, 64", "_WIDE = 8, 16, 16").replace('"compact"', '"mine"')
    )
    (tmp_path / "mine.toml").write_text('optimizer = "sgd"\nflip = true\n[quick]\nepochs = 1\nlimit = 500\n')
    trained = run("train", "--arch", "mine.py:build", "--quick", "--no-flip", "--tensorboard")
    assert trained.code == 0
    (folder,) = (path for path in Path("runs").iterdir() if not path.is_symlink())
    assert folder.name.startswith("mine-")
    options = json.loads((folder / "config.json").read_text())["options"]
    assert (options["arch"], options["optimizer"], options["flip"]) == ("mine.py:build", "sgd", False)
    assert len(list((folder / "tensorboard").iterdir())) == 1
    assert run("export", "--int8").code == 0
    assert sorted(path.name for path in Path("exports").iterdir()) == [
        "fmnist-mine-int8.onnx",
        "fmnist-mine-int8.tflite",
    ]


def test_a_model_with_another_number_of_classes(run: Run, tmp_path: Path) -> None:
    from fmnist_edge.train.architectures import load_architecture

    load_architecture("compact")(classes=7, dropout=0.1).save(tmp_path / "seven.keras")
    one_line_error(run("export", "seven.keras"), "another number of classes", "10", "got 7")
    one_line_error(run("evaluate", "seven.keras"), "other classes than the dataset", "7 classes")
    assert not list(tmp_path.glob("exports/*"))


def test_a_model_with_another_input(run: Run, tmp_path: Path) -> None:
    import keras

    layers = [keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")]
    keras.Sequential(layers).save(tmp_path / "wide.keras")
    one_line_error(run("export", "wide.keras"), "other shapes", "32")


def test_data_dir_without_the_data(run: Run, tmp_path: Path) -> None:
    one_line_error(run("data", "--data-dir", tmp_path), "not complete", "train-images-idx3-ubyte")


def test_usage_errors_end_with_2(run: Run) -> None:
    for arguments in (["--nonsense"], ["predict"], ["inspect"], ["export", "--format", "coreml"]):
        assert run(*arguments).code == 2


# --- as a process --------------------------------------------------------------------------------------------------


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let children be interrupted where the tests themselves run in the background, where Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupting_a_training_says_how_to_go_on(tmp_path: Path) -> None:
    command = [shutil.which("fmnist-edge", path=str(Path(sys.executable).parent)), "train", "--arch", "compact"]
    options = ["--epochs", "50", "--limit", "2000", "--out", "long"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        [*map(str, command), *options],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1/50: loss"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait() == 130
    assert "go on with: fmnist-edge train --resume --out long" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "long" / "model.keras").exists()


def test_a_picture_through_both_formats_in_fresh_processes(int8_onnx: Path, int8_tflite: Path, tmp_path: Path) -> None:
    Image.new("L", (28, 28), 0).save(tmp_path / "black.png")
    answers = []
    for model in (int8_onnx, int8_tflite):
        command = [
            sys.executable,
            "-m",
            "fmnist_edge.cli",
            "predict",
            str(tmp_path / "black.png"),
            "--model",
            str(model),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        answers.append(done.stdout)
    assert answers[0] == answers[1]


def test_watch_tells_of_what_arrives_until_it_is_interrupted(
    interruptible: None, int8_onnx: Path, png: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "arriving"
    folder.mkdir()
    shutil.copy(png, folder / "before.png")
    arguments = ["watch", str(folder), "--model", str(int8_onnx), "--every", "0.05", "--json"]
    command = [sys.executable, "-m", "fmnist_edge.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert "watching" in watching.stderr.readline()
        (folder / "bad.png").write_text("not a picture")
        assert "bad.png" in watching.stderr.readline()
        shutil.copy(PHOTOS / "dress-001.jpg", folder / "after.jpg")
        answer = json.loads(watching.stdout.readline())
        watching.send_signal(signal.SIGINT)
        out, err = watching.communicate(timeout=30)
    assert Path(answer["file"]).name == "after.jpg"
    assert (watching.returncode, out, err) == (0, "", "")


# --- evaluation without TensorFlow, and reports against each other -------------------------------------------------


def test_predictions_saved_here_are_the_reference_there(run: Run, compact_run: Path, exports: Path) -> None:
    int8 = exports / "fmnist-compact-int8.onnx"
    saved = run("evaluate", compact_run, "--split", "validation", "--save-predictions", "float.npz")
    assert saved.code == 0
    with_file = run("evaluate", int8, "--reference", "float.npz", "--split", "validation", "--json", "there.json")
    assert with_file.code == 0
    here = run("evaluate", compact_run, int8, "--split", "validation", "--json", "here.json")
    assert here.code == 0
    models = [json.loads(Path(name).read_text())["models"] for name in ("here.json", "there.json")]
    assert models[0][1]["comparison"] == models[1][1]["comparison"]
    assert models[0][0]["answers"] == models[1][0]["answers"]
    one_line_error(run("evaluate", int8, "--reference", "float.npz"), "float.npz belongs to other images")
    one_line_error(run("evaluate", int8, "--reference", "none.npz"), "no predictions at none.npz")
    one_line_error(run("evaluate", "--reference", "float.npz", "--split", "validation"), "no models to evaluate")


def test_no_models_at_all(run: Run) -> None:
    for command in ("evaluate", "benchmark"):
        one_line_error(run(command), "no models to evaluate", "at least one")


def test_the_gate_of_classes_ends_with_1_and_names_them(run: Run, compact_run: Path, int8_onnx: Path) -> None:
    arguments = ("evaluate", compact_run, int8_onnx, "--split", "validation", "--max-class-drop")
    assert run(*arguments, 100).code == 0
    failed = run(*arguments, -100)
    assert failed.code == 1
    assert failed.err.count("fmnist-compact-int8.onnx fails: ") == 1
    assert "the limit of a class is -100" in failed.err


def test_benchmark_with_saved_predictions_and_a_sustained_run(run: Run, compact_run: Path, exports: Path) -> None:
    assert run("evaluate", compact_run, "--save-predictions", "float.npz").code == 0
    files = sorted(exports.glob("*int8*"))
    done = run("benchmark", *files, "--reference", "float.npz", "--rounds", 1, "--sustained", 0.1, "--margin", 9)
    assert done.code == 0
    report = json.loads(Path("report/report.json").read_text())
    assert [model["format"] for model in report["models"]] == ["keras", "onnx", "tflite"]
    assert report["recommendation"]["margin_points"] == 9
    assert all(len(model["sustained"]["windows"]) == 10 for model in report["models"][1:])
    assert "for this machine: ship fmnist-compact-int8." in done.out
    assert not Path("report/unfinished").exists()


def test_boards_need_their_emulator(run: Run, int8_onnx: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one_line_error(run("benchmark", int8_onnx, "--board", "pi6"), "unknown board 'pi6'", "pi3, zero2w, pi4, pi5")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    one_line_error(run("benchmark", int8_onnx, "--board", "pi4,pi5"), "cannot emulate a board", "qemu-aarch64")


def test_two_reports_are_compared(run: Run, exports: Path) -> None:
    files = sorted(exports.glob("*int8*"))
    assert run("evaluate", *files, "--split", "validation", "--json", "old.json").code == 0
    same = run("compare", "old.json", "old.json")
    assert same.code == 0
    assert same.out.count("same") == 2
    new = json.loads(Path("old.json").read_text())
    new["models"][1]["size_bytes"] *= 2
    Path("new.json").write_text(json.dumps(new))
    worse = run("compare", "old.json", "new.json", "--json")
    assert worse.code == 1
    assert "fmnist-compact-int8.tflite is 100% larger" in worse.err
    assert json.loads(worse.out)["failures"][0].startswith("fmnist-compact-int8.tflite is 100% larger")
    assert run("compare", "old.json", "new.json", "--max-growth", 200).code == 0
    new["schema_version"] = 1
    Path("new.json").write_text(json.dumps(new))
    one_line_error(run("compare", "old.json", "new.json"), "schema version 2", "got 1")
    one_line_error(run("compare", "old.json", "none.json"), "none.json")


def test_a_camera_needs_software_and_then_a_camera(run: Run, int8_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("picamera2", "cv2"):
        monkeypatch.setitem(sys.modules, name, None)
    one_line_error(run("camera", "--model", int8_onnx), "sudo apt install python3-picamera2", "opencv-python-headless")
    assert run("camera", "--every", "-1").code == 2
    assert run("camera", "--count", "0").code == 2


CV2 = """
import json, os, numpy, PIL.Image
CAP_V4L2, CAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT = 200, 3, 4
class VideoCapture:
    def __init__(self, number, api): pass
    def set(self, name, value): return True
    def isOpened(self): return os.path.exists("plugged")
    def grab(self): return os.path.exists("plugged")
    def read(self): return True, numpy.asarray(PIL.Image.open(os.environ["SEEN"]).convert("RGB"))[:, :, ::-1]
    def release(self): pass
"""


def test_camera_tells_what_it_sees_and_goes_on_when_it_was_pulled_out(
    interruptible: None, int8_onnx: Path, tmp_path: Path, run: Run
) -> None:
    """The library is a stand-in: a camera that sees a real photo, and is there while there is a file `plugged`."""
    (tmp_path / "cv2.py").write_text(CV2)
    (tmp_path / "picamera2.py").write_text("raise ImportError('not on this machine')")
    (tmp_path / "plugged").touch()
    photo = tmp_path / "pants.png"  # a JPEG would be decoded at reduced size
    with Image.open(PHOTOS / "pants-017.jpg") as image:
        image.convert("RGB").save(photo)
    inherited = os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{inherited}", "SEEN": str(photo)}
    model = ["--model", str(int8_onnx), "--backend", "onnxruntime"]
    command = [sys.executable, "-m", "fmnist_edge.cli", "camera", *model, "--every", "0.05", "--json"]
    (expected,) = run("predict", photo, *model, "--as", "photo", "--json").out.splitlines()
    once = subprocess.run(
        [*command, "--count", "2"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for line in once.stdout.splitlines():
        answer = json.loads(line)
        assert list(answer) == ["time", *list(json.loads(expected))[1:]]
        assert list(answer.values())[1:] == list(json.loads(expected).values())[1:]
    assert once.stdout.count("\n") == 2
    with subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as looking:
        assert looking.stdout is not None
        assert looking.stderr is not None
        assert looking.stderr.readline() == f"looking every 0.05 s with {int8_onnx}; Ctrl-C ends\n"
        looking.stdout.readline()
        (tmp_path / "plugged").unlink()
        line = looking.stderr.readline()
        assert line.startswith("fmnist-edge: /dev/video0 gives no picture")
        assert line.endswith("trying again\n")
        (tmp_path / "plugged").touch()
        before = datetime.now().astimezone()
        while datetime.fromisoformat(json.loads(looking.stdout.readline())["time"]) < before:
            pass
        looking.send_signal(signal.SIGINT)
        _, err = looking.communicate(timeout=30)
    assert (looking.returncode, err) == (0, "")
