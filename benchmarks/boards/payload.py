"""What runs on the emulated board: our own runtime on one image after another.

``python -m fmnist_edge.benchmarks.boards.payload MODEL IMAGES.npy`` prints one line of JSON with the labels. It marks
the beginning and the end of each prediction for the plugin that counts instructions.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...common.errors import EdgeError
from ...runtime.runner import ExportedRunner, open_runner
from ...runtime.trust import Trust
from ..probe import UNVERIFIED


def mark() -> None:
    """Have the plugin write down its count: a system call that nobody else makes, see ``count.c``."""
    os.getsid(0)


def answer_all(runner: ExportedRunner, images: npt.NDArray[np.uint8]) -> list[int]:
    """Return the label of each image, uint8 ``(n, 28, 28)``, one a call, with a mark before and after each."""
    labels = []
    for position in range(len(images)):
        image = images[position : position + 1]
        mark()
        probabilities = runner.infer(image)
        mark()
        labels.append(int(probabilities[0].argmax()))
    return labels


def main(arguments: list[str]) -> int:
    """Answer all images of a file and print the labels; an expected error is one line."""
    model, images = Path(arguments[0]), np.load(arguments[1], allow_pickle=False)
    trust = Trust(verify=UNVERIFIED not in arguments[2:])  # signatures are checked where boards are emulated
    try:
        with open_runner(model, trust=trust) as runner:
            labels = answer_all(runner, images)
    except EdgeError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(json.dumps({"labels": labels}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
