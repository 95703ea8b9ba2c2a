"""A process that answers one picture: ``python -m fmnist_edge.runtime.doctor.trial MODEL``."""

from __future__ import annotations

import io
import json
import resource
import statistics
import sys
import time

from ...common.errors import EdgeError

_RUNS = 20


def main(arguments: list[str]) -> int:
    """Load the model, answer a picture that was written and read as PNG, and print the answer as one line of JSON."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import numpy as np
    from PIL import Image

    from ..classifier import Classifier

    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 9:19] = 200
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, "png")
    try:
        with Classifier(arguments[0]) as classifier:
            answer = classifier.predict(picture.getvalue(), kind="dataset")
            times_ns = []
            for _ in range(_RUNS):
                began_ns = time.perf_counter_ns()
                classifier.predict(pixels)
                times_ns.append(time.perf_counter_ns() - began_ns)
    except EdgeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps({"label": answer.label, "p50_ms": statistics.median(times_ns) / 1e6}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
