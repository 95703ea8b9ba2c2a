"""The packages, each imported in a process of its own, so that a crash becomes advice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

from .finding import Finding, fault, ok, warning
from .machine import Ended, Machine


@dataclass(frozen=True)
class Package:
    """A package to import.

    Attributes:
        name: as pip knows it.
        module: what is imported.
        extra: the extra of this package that brings it; empty when every installation has it.
    """

    name: str
    module: str
    extra: str = ""


PACKAGES = (
    Package("numpy", "numpy"),
    Package("onnxruntime", "onnxruntime"),
    Package("pillow", "PIL.Image"),
    Package("typer", "typer"),
    Package("ai-edge-litert", "ai_edge_litert.interpreter", "litert"),
)
_VERSION = """
import importlib.metadata
try:
    print(importlib.metadata.version({name!r}))
except importlib.metadata.PackageNotFoundError:
    print("unknown version")
"""
_IMPORT = """
import importlib, importlib.util, sys
if importlib.util.find_spec({top!r}) is None:
    sys.exit({missing})
importlib.import_module({module!r})
"""
_MISSING = 77


def check_packages(machine: Machine) -> Iterator[Finding]:
    """Import every package."""
    for package in PACKAGES:
        version = machine.run_code(_VERSION.format(name=package.name)).stdout.strip() or "unknown version"
        top = package.module.partition(".")[0]
        code = _IMPORT.format(top=top, missing=_MISSING, module=package.module)
        yield judge(package, version, machine.run_code(code))


def judge(package: Package, version: str, ended: Ended) -> Finding:
    """Judge how the import of a package ended; without LiteRT, .onnx files still run.

    >>> judge(PACKAGES[1], "1.32.0", Ended(-4)).mend
    "pip install --only-binary :all: 'onnxruntime<1.32'"
    """
    if ended.status == 0:
        return ok(package.name, version)
    if ended.status == _MISSING:
        if package.extra:
            return ok(package.name, f"not installed; only .tflite files need it: pip install {_wanted(package)}")
        return fault(package.name, "not installed", f"pip install {package.name}")
    found = f"{version}; import {package.module} ends in {ended.why}"
    return (warning if package.extra else fault)(package.name, found, _mend(package, version, ended))


def _mend(package: Package, version: str, ended: Ended) -> str:
    if ended.status == -signal.SIGILL and version[:1].isdigit():  # older builds are for older processors
        return f"pip install --only-binary :all: '{package.name}<{'.'.join(version.split('.')[:2])}'"
    if ended.status == -signal.SIGKILL:
        return "close other programs, or use a board with more memory"
    return f"pip install --force-reinstall --no-cache-dir {_wanted(package)}"


def _wanted(package: Package) -> str:
    return f"'fmnist-edge[{package.extra}]'" if package.extra else package.name
