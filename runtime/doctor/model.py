"""The model: found, loaded, and asked."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from ...common.errors import EdgeError
from ..locate import default_model
from .finding import Finding, fault, ok
from .machine import Ended, Machine

_TRIAL = f"{__package__}.trial"
_MEND = {
    -signal.SIGILL: "mend the package above that crashes; if none does, take the generic int8 .onnx file",
    -signal.SIGKILL: "use a smaller model (fmnist-compact-int8.onnx), or close other programs",
}


def check_model(machine: Machine, model: Path | None) -> Finding:
    """Check that `model`, or the one that is used when none is named, loads and answers a picture."""
    try:
        path = model or default_model()
    except EdgeError as error:
        what, _, mend = str(error).partition("; next: ")
        return fault("model", what, mend)
    ended = machine.run([*machine.python, "-P", "-m", _TRIAL, str(path.absolute())])
    return judge(path, ended)


def judge(path: Path, ended: Ended) -> Finding:
    """Judge how the trial of a model ended."""
    if ended.status == 0:
        answer = json.loads(ended.stdout.splitlines()[-1])
        return ok("model", f"{path} loads and answers, in {answer['p50_ms']:.2f} ms a picture")
    what, _, mend = ended.why.partition("; next: ")
    if ended.status is not None and ended.status < 0:
        what = f"{path} ends in {what}"
        mend = _MEND.get(ended.status, "pip install --force-reinstall --no-cache-dir onnxruntime")
    return fault("model", what, mend or "mend the packages above first")
