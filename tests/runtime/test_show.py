"""The sheet shows the photo, the garment, the network's input and the answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fmnist_edge import EdgeError
from fmnist_edge.runtime import Classifier
from fmnist_edge.runtime.gather import Answer, classify_all
from fmnist_edge.runtime.show import MAX_ROWS, TILE, save_sheet

TOP = 36
"""Where the tiles of the first row begin, in pixels."""
PHOTO = Path(__file__).parents[1] / "data" / "photos" / "skirt-005.jpg"


@pytest.fixture(scope="module")
def answers(int8_onnx: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    with Classifier(int8_onnx) as classifier:
        return list(classify_all(classifier, [str(PHOTO)], report=lambda error: pytest.fail(str(error))))


def test_the_four_parts_lie_side_by_side(answers: list[Answer], tmp_path: Path) -> None:
    with Image.open(save_sheet(tmp_path / "sheet.png", answers)) as opened:
        sheet = np.asarray(opened.convert("RGB"), np.int16)
    middle = sheet.shape[0] // 2
    centres = [12 + TILE // 2 + column * (TILE + 12) for column in range(3)]
    photo, garment = (sheet[middle, centre] for centre in centres[:2])
    assert photo.tolist() == garment.tolist()  # the skirt is red in both
    assert photo[0] > photo[1] + 50
    above = TOP + round(0.15 * TILE)  # the white fur, which is dark where it is cut away
    assert sheet[above, centres[0]].min() > 120
    assert sheet[above, centres[1]].max() < 60
    network = sheet[TOP : TOP + TILE, centres[2] - TILE // 2 : centres[2] + TILE // 2, 0]
    expected = Image.fromarray(answers[0].prepared.views[0]).resize((TILE, TILE), Image.Resampling.NEAREST)
    assert np.array_equal(network, np.asarray(expected))
    assert (sheet[:, centres[2] + TILE // 2 + 12 :] < 100).any()  # and something is written


def test_a_sheet_ends_after_so_many_rows(answers: list[Answer], tmp_path: Path) -> None:
    heights = []
    for count in (1, 2, MAX_ROWS + 5):
        with Image.open(save_sheet(tmp_path / "sheet.png", answers * count)) as sheet:
            heights.append(sheet.height)
    row = heights[1] - heights[0]
    assert heights[2] == heights[0] + (MAX_ROWS - 1) * row


def test_a_name_of_no_format_leaves_nothing_behind(answers: list[Answer], tmp_path: Path) -> None:
    with pytest.raises(EdgeError, match=r"cannot draw .*sheet\.txt; expected a name ending in \.png; got \.txt"):
        save_sheet(tmp_path / "sheet.txt", answers)
    assert list(tmp_path.iterdir()) == []
