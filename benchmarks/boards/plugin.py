"""Compile the plugin that counts instructions, for the version of QEMU that is here."""

from __future__ import annotations

from pathlib import Path

from ...common.errors import EdgeError
from .tools import INSTALL, run_tool

SOURCE = Path(__file__).with_name("count.c")
_API_VERSIONS = range(1, 9)
"""QEMU loads a plugin only if it names a version that QEMU knows; what we call is the same in all of them."""


def build_plugin(target: Path, root: Path) -> None:
    """Compile `SOURCE` to `target` and prove that QEMU runs it.

    Args:
        target: the shared library to write.
        root: an arm64 system with Python.

    Raises:
        EdgeError: it does not compile, or QEMU takes no version of it: it was built without plugins.
    """
    trial: list[str | Path] = ["qemu-aarch64", "-plugin", target, "-L", root, root / "usr/bin/python3", "-V"]
    refusal = EdgeError("no version tried")
    for version in _API_VERSIONS:
        run_tool(["cc", "-O2", "-shared", "-fPIC", f"-DPLUGIN_API={version}", "-o", target, SOURCE], hint=INSTALL)
        try:
            run_tool(trial)
            return
        except EdgeError as error:
            refusal = error
    expected = "a qemu-aarch64 with plugins (the static build has none)"
    raise EdgeError("QEMU cannot count instructions", expected=expected, got=str(refusal), hint=INSTALL) from refusal
