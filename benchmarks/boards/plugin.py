"""Compile the plugin that counts instructions, for the version of QEMU that is here."""

from __future__ import annotations

from pathlib import Path

from ...common.errors import EdgeError
from .tools import INSTALL, run_tool

SOURCE = Path(__file__).with_name("count.c")
_API_VERSIONS = range(1, 7)
"""QEMU loads a plugin only if it names a version that QEMU knows. What we call is the same from 1 to 6 (QEMU 4.2 to
10.2); with 7 the callbacks get other arguments (include/plugins/qemu-plugin.h)."""


def build_plugin(target: Path, root: Path) -> None:
    """Compile `SOURCE` to `target` and prove that QEMU counts with it.

    Args:
        target: the shared library to write; after an error there is none.
        root: an arm64 system with Python.

    Raises:
        EdgeError: it does not compile, or QEMU takes no version of it: it was built without plugins, as Debian's is
            since trixie.
    """
    refusals = []
    for version in _API_VERSIONS:
        run_tool(["cc", "-O2", "-shared", "-fPIC", f"-DPLUGIN_API={version}", "-o", target, SOURCE], hint=INSTALL)
        try:
            _try_plugin(target, root)
            return
        except EdgeError as error:
            refusals.append(error)
    target.unlink()
    expected, got = "a qemu-aarch64 with plugins", str(refusals[0])
    hint = "use a machine with Debian bookworm; its QEMU has them"
    raise EdgeError("this QEMU cannot count instructions", expected=expected, got=got, hint=hint) from refusals[0]


def _try_plugin(plugin: Path, root: Path) -> None:
    log = plugin.with_suffix(".log")
    counting: list[str | Path] = ["-plugin", plugin, "-d", "plugin", "-D", log]
    run_tool(["qemu-aarch64", *counting, "-L", root, root / "usr/bin/python3", "-V"])
    counts = log.read_text(encoding="ascii", errors="replace").split()
    log.unlink()
    if len(counts) != 1 or not counts[0].isdigit() or int(counts[0]) == 0:
        raise EdgeError("the plugin does not count", expected="one number above 0", got=" ".join(counts))
