"""Predict in several threads that share one classifier, and say what came of it: one line of JSON.

Run as a script: ``predictions.py MODEL THREADS COUNT``. Each thread takes the pictures in an order of its own.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np

from fmnist_edge.runtime import Classifier
from fmnist_edge.runtime.backend import Backend

_PICTURES = 256


def resident_mib() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def main(model: Path, threads: int, count: int) -> None:
    pictures = np.random.default_rng(5).integers(0, 256, (_PICTURES, 28, 28), np.uint8)
    pictures[::2] //= 4  # half of them dark, so that the answers differ
    backend: Backend = "onnxruntime" if model.suffix == ".onnx" else "litert"
    with Classifier(model, backend=backend) as classifier:
        expected = [classifier.predict(picture) for picture in pictures]
        wrong = [0] * threads
        half_way = threading.Barrier(threads + 1)

        orders = [np.random.default_rng(number).integers(0, _PICTURES, count) for number in range(threads)]

        def predict(number: int) -> None:
            try:
                for position, chosen in enumerate(orders[number]):
                    if position == count // 2:
                        half_way.wait()
                        half_way.wait()
                    wrong[number] += classifier.predict(pictures[chosen]) != expected[chosen]
            except BaseException:
                half_way.abort()  # which ends the process with an error, instead of waiting for this thread
                raise

        running = [threading.Thread(target=predict, args=(number,)) for number in range(threads)]
        for thread in running:
            thread.start()
        half_way.wait()
        before_mib = resident_mib()
        half_way.wait()
        for thread in running:
            thread.join()
        said = {"predictions": threads * count, "wrong": sum(wrong), "labels": len({one.label for one in expected})}
        print(json.dumps({**said, "grown_mib": round(resident_mib() - before_mib, 1)}))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
