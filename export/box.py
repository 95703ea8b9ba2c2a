"""Fill the box: from run folders to the models that come with the package, and a manifest that says whence.

One network is for pictures like those of the dataset, one for photos, and a stronger one for who has room for it. All
are exported as ``export --int8`` does it, and scored on the test set here, once, when they have been chosen.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..benchmarks.photos import tally_photos
from ..common.box import ARCHITECTURES, FOLDER, MANIFEST, NAMES
from ..common.errors import EdgeError
from ..common.files import read_json, sha256_hex, write_bytes, write_json
from ..common.progress import Progress, silent
from ..dataset import Split, load_split
from ..runtime import Classifier, Runner, open_runner
from ..train.keras_model import KerasRunner
from ..train.options import TrainOptions, make_options, variants_of
from ..train.run_folder import RunFolder, find_model
from .exporter import export
from .recipe import INT8

MAX_INT8_BYTES = {"compact": 100_000, "strong": 300_000}
"""Of an architecture, with its card."""
MADE_FOR = {
    "compact": "pictures like those of the dataset",
    "compact-photo": "garments cut out of photos",
    "strong": "pictures like those of the dataset, where 300 kB are not too much; and to teach from",
}

_OPPOSITES = {"both_sides": "--one-side", "consistent_teacher": "--ask-once", "teachers_in_turn": "--all-teachers"}
"""How the command line calls it that these options are off; that of any other begins with --no."""


def fill_box(
    runs: Mapping[str, Path],
    folder: Path = FOLDER,
    *,
    photos: Sequence[Path] = (),
    data_dir: Path | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Export the models of finished runs into `folder`, and write the manifest last.

    Args:
        runs: a run folder for some of `NAMES`, or for all; the other networks stay as they are in `folder`.
        folder: where the files go; those of the same names are replaced.
        photos: folders of labelled photos to count on, see `tally_photos`.
        data_dir: where the dataset is; None looks in the usual places.
        progress: told of every step.

    Returns:
        The manifest.

    Raises:
        EdgeError: a network that is to stay is not there, or not as the manifest says; a run is not finished or of
            another architecture, an int8 file has more bytes than `MAX_INT8_BYTES`, or what `export` and `tally_photos`
            raise; nothing is replaced then.
    """
    options = {name: _read_options(run, ARCHITECTURES[name]) for name, run in runs.items()}
    kept = _kept([name for name in NAMES if name not in runs], folder)
    with tempfile.TemporaryDirectory(prefix="fmnist-edge-") as temporary:
        made = {name: _export(name, run, Path(temporary), data_dir, progress) for name, run in runs.items()}
        models = kept | {
            name: {
                "made_for": MADE_FOR[name],
                **_origin(runs[name], options[name]),
                "validation": _score(made[name], load_split("validation", data_dir, holdout=options[name].holdout)),
                "test": _score(made[name], load_split("test", data_dir)),
                "photos": _photos(made[name], photos),
                "files": {path.name: _describe(path) for path in made[name]},
            }
            for name in runs
        }
        for path in (path for files in made.values() for path in files):
            write_bytes(folder / path.name, path.read_bytes())
    manifest = {"manifest_version": 1, "models": {name: models[name] for name in NAMES}}
    write_json(folder / MANIFEST, manifest)
    return manifest


def train_command(options: TrainOptions) -> str:
    """Return the shortest command that trains with `options`: what the recipe or a variant of it says is left out.

    >>> train_command(make_options({"arch": "compact", "seed": 3, "flip": False, "teacher": ["a.keras", "b.keras"]}))
    'fmnist-edge train --arch compact --no-flip --teacher a.keras --teacher b.keras --seed 3'
    """
    words = min((_words(options, variant) for variant in (None, *variants_of(options.arch))), key=len)
    return shlex.join(["fmnist-edge", "train", "--arch", options.arch, *words])


def _words(options: TrainOptions, variant: str | None) -> list[str]:
    """Return what the command line says of `options` beside the architecture, if it names that variant."""
    usual = make_options({"arch": options.arch}, variant=variant)
    words = [] if variant is None else ["--variant", variant]
    for field in dataclasses.fields(TrainOptions):
        value = getattr(options, field.name)
        if value == getattr(usual, field.name):
            continue
        option = f"--{field.name.replace('_', '-')}"
        if isinstance(value, bool) or value == ():
            words.append(option if value else _OPPOSITES.get(field.name, option.replace("--", "--no-", 1)))
        else:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for entry in values for word in (option, str(entry))]
    return words


def _kept(names: Sequence[str], folder: Path) -> dict[str, Any]:
    """Return what the manifest in `folder` says of the networks that stay there, if their files are still those."""
    if not names:
        return {}
    manifest = read_json(folder / MANIFEST)
    return {name: _entry(name, manifest, folder) for name in names}


def _entry(name: str, manifest: Any, folder: Path) -> dict[str, Any]:
    hint = "name a run for it"
    try:
        entry: dict[str, Any] = manifest["models"][name]
        files = dict(entry["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise EdgeError(f"{folder / MANIFEST} has no {name}", expected="a network that stays", hint=hint) from error
    for file, described in files.items():
        path = folder / file
        if not path.is_file() or _describe(path) != described:
            expected, got = "what the manifest says", "another file" if path.is_file() else "none"
            raise EdgeError(f"{path} cannot stay", expected=expected, got=got, hint=hint)
    return entry


def _read_options(run: Path, arch: str) -> TrainOptions:
    find_model(run)  # tells of a run that is not finished
    options = TrainOptions(**RunFolder(run).read_config()["options"])
    if options.arch != arch:
        raise EdgeError(f"{run} is no model for the box", expected=f"the architecture {arch}", got=options.arch)
    return options


def _export(name: str, run: Path, folder: Path, data_dir: Path | None, progress: Progress) -> list[Path]:
    """Write the float model and both int8 files into `folder`, and return them in this order."""
    bare = folder / f"fmnist-{name}.keras"
    shutil.copyfile(find_model(run), bare)
    shared: dict[str, Any] = {"data_dir": data_dir, "recover": True, "name": name, "progress": progress}
    files = [file.path for file in export(run, [INT8], ("onnx", "tflite"), folder, **shared)]
    for path in files:
        size = path.stat().st_size
        most = MAX_INT8_BYTES[ARCHITECTURES[name]]
        if size > most:
            expected, got = f"at most {most:,} bytes", f"{size:,}"
            raise EdgeError(f"{path.name} is too large for the box", expected=expected, got=got, exit_code=1)
    return [bare, *files]


def _origin(run: Path, options: TrainOptions) -> dict[str, Any]:
    config = RunFolder(run).read_config()
    made = {"run": run.resolve().name, "command": train_command(options), "versions": config.get("versions")}
    return made | {name: config[name] for name in ("base", "teacher") if name in config}


def _score(files: Sequence[Path], images: Split) -> dict[str, Any]:
    """Count how many images each file has right."""
    right = {}
    for path in files:
        with _open(path) as runner:
            right[path.name] = int((runner.infer(images.images).argmax(axis=1) == images.labels).sum())
    return {"n": len(images), "right": right}


def _open(path: Path) -> Runner:
    return KerasRunner.open(path) if path.suffix == ".keras" else open_runner(path)


def _photos(files: Sequence[Path], folders: Sequence[Path]) -> list[dict[str, Any]]:
    onnx = next(path for path in files if path.suffix == ".onnx")
    with Classifier(onnx, backend="onnxruntime") as classifier:
        return [tally_photos(classifier, folder) for folder in folders]


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_hex(path.read_bytes())}
