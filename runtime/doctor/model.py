"""The model: found, loaded, and asked."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from ...common import box
from ..locate import choose_model
from .finding import Finding, Status, fault, ok
from .machine import Ended, Machine

_TRIAL = f"{__package__}.trial"
_MEND = {
    -signal.SIGILL: "mend the package above that crashes; if none does, take the generic int8 .onnx file",
    -signal.SIGKILL: "use a smaller model (fmnist-compact-int8.onnx), or close other programs",
}


def check_model(machine: Machine, model: Path | None) -> Finding:
    """Check that `model`, or what is used when none is named, loads and answers a picture."""
    path = choose_model(model)
    if path is not None:
        return _try(machine, path)
    findings = []
    for name in box.IN_USE:
        findings.append(_try(machine, box.int8_model(name)))
        if findings[-1].status is not Status.OK:
            return findings[-1]
    return ok("model", f"in the box: {'; '.join(finding.found for finding in findings)}")


def _try(machine: Machine, path: Path) -> Finding:
    return judge(path, machine.run([*machine.python, "-P", "-m", _TRIAL, str(path.absolute())]))


def _is_shipped(path: Path) -> bool:
    return path.parent == box.FOLDER


def judge(path: Path, ended: Ended) -> Finding:
    """Judge how the trial of a model ended."""
    if ended.status == 0:
        answer = json.loads(ended.stdout.splitlines()[-1])
        shown = path.name if _is_shipped(path) else path
        return ok("model", f"{shown} loads and answers, in {answer['p50_ms']:.2f} ms a picture")
    what, _, mend = ended.why.partition("; next: ")
    if ended.status is not None and ended.status < 0:
        what = f"{path} ends in {what}"
        mend = _MEND.get(ended.status, "pip install --force-reinstall --no-cache-dir onnxruntime")
    elif mend and _is_shipped(path):
        mend = box.REINSTALL
    return fault("model", what, mend or "mend the packages above first")
