"""Photos of a folder are counted by class, and what is no such folder is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fmnist_edge.benchmarks.photos import tally_photos
from fmnist_edge.common.errors import EdgeError
from fmnist_edge.common.files import sha256_hex
from fmnist_edge.runtime import Classifier

PHOTOS = Path(__file__).parents[1] / "data" / "photos"


def test_what_the_classifier_says_is_counted(tmp_path: Path) -> None:
    with Classifier(backend="onnxruntime") as classifier:
        said = {name: classifier.predict(PHOTOS / name) for name in ("dress-001.jpg", "hat-012.jpg")}
        for name in said:
            shutil.copy(PHOTOS / name, tmp_path)
        dress = said["dress-001.jpg"]
        labels = f"file,source_class,fashion_mnist_label\ndress-001.jpg,b,{dress.index}\n"
        labels += f"dress-001.jpg,b,{(dress.index + 1) % 10}\nhat-012.jpg,a,-1\n"
        (tmp_path / "labels.csv").write_text(labels)
        found = tally_photos(classifier, tmp_path)
    assert found == {
        "folder": tmp_path.name,
        "labels_sha256": sha256_hex(labels.encode()),
        "classes": {
            "a": {"n": 1, "right": 0, "unsure": int(said["hat-012.jpg"].unsure)},
            "b": {"n": 2, "right": 1, "unsure": 2 * dress.unsure},
        },
    }
    assert list(found["classes"]) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read .*labels.csv; expected a table with file,source_class,.*; got No such file"),
        ("", "cannot read .*labels.csv; expected a table with .*; got something else"),
        ("file,label\na.jpg,1\n", "cannot read .*labels.csv; expected a table with .*; got something else"),
        pytest.param("," * (1 + (8 << 20)), "expected at most 8,388,608 bytes; got more", id="too long"),
        ("file,source_class,fashion_mnist_label\nnone.jpg,a,1\n", "cannot read .*none.jpg"),
    ],
)
def test_a_folder_without_usable_labels_is_refused(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "labels.csv").write_text(content)
    with Classifier() as classifier, pytest.raises(EdgeError, match=message):
        tally_photos(classifier, tmp_path)
