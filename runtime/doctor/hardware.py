"""The board and its processor."""

from __future__ import annotations

import re

from .finding import Finding, fault, ok, warning
from .machine import Machine

# "CPU part" of ARM's own cores: arch/arm64/include/asm/cputype.h and arch/arm/include/asm/cputype.h of Linux.
_CORES = {
    0xB76: "ARM1176",
    0xC07: "Cortex-A7",
    0xD03: "Cortex-A53",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
}
# The boards whose processor has no 64-bit mode (BCM2835 and BCM2836).
_ONLY_32_BIT = re.compile(r"Raspberry Pi (Model|Zero (?!2)|Compute Module Rev|2 Model B Rev 1\.[01])")
_OTHER_BOARD = "use a Raspberry Pi 3, 4, 5 or Zero 2 W: this processor has no 64-bit mode, which onnxruntime needs"


def check_board(machine: Machine) -> Finding:
    """Name the board; one without a 64-bit mode is a fault."""
    model = machine.read("/proc/device-tree/model") or machine.read("/sys/class/dmi/id/product_name")
    if model is None:
        return ok("board", "not told by this machine")
    if only_32_bit(model):
        return fault("board", f"{model}, a 32-bit processor", _OTHER_BOARD)
    return ok("board", model)


def only_32_bit(model: str) -> bool:
    """Tell whether a Raspberry Pi of this name has a processor without a 64-bit mode.

    >>> only_32_bit("Raspberry Pi Zero W Rev 1.1"), only_32_bit("Raspberry Pi Zero 2 W Rev 1.0")
    (True, False)
    >>> only_32_bit("Raspberry Pi 2 Model B Rev 1.1"), only_32_bit("Raspberry Pi 2 Model B Rev 1.2")
    (True, False)
    """
    return _ONLY_32_BIT.match(model) is not None


def check_processor(machine: Machine) -> Finding:
    """Say what the processor's instructions mean for the choice of a file.

    The figures are docs/export.md's: instructions on emulated boards.
    """
    cpuinfo = machine.read("/proc/cpuinfo") or ""
    fields = fields_of(cpuinfo)
    features = (fields.get("Features") or fields.get("flags") or "").split()
    if not features:
        mend = "mount /proc (sudo mount -t proc proc /proc): onnxruntime crashes on ARM where it cannot read it"
        return warning("processor", "/proc/cpuinfo does not describe it", mend)
    name = f"{_name(fields)}, {cores_of(cpuinfo)} cores"
    if "flags" in fields:
        return ok("processor", f"{name}; {_advice_x86(features)}")
    if not {"asimd", "neon"} & set(features):
        return fault("processor", f"{name}; no vector instructions (asimd)", _OTHER_BOARD)
    return ok("processor", f"{name}; {_advice_arm(features)}")


def _advice_arm(features: list[str]) -> str:
    if "asimddp" in features:
        return "int8 dot products: take an int8 file, and with LiteRT the .tflite: a quarter fewer instructions"
    return "no int8 dot products: take an int8 file, .onnx or .tflite alike, but none made with --target arm-dot"


def _advice_x86(features: list[str]) -> str:
    if any("vnni" in feature for feature in features):
        return "int8 dot products (VNNI): take an int8 file"
    return "no int8 dot products: int8 files are summed exactly, which takes longer"


def _name(fields: dict[str, str]) -> str:
    if "model name" in fields:
        return fields["model name"]
    part = fields.get("CPU part", "")
    known = _CORES.get(int(part, 16)) if re.fullmatch(r"0x[0-9a-fA-F]+", part) else None
    return known or f"processor {part}".strip()


def fields_of(cpuinfo: str) -> dict[str, str]:
    r"""Return the first value of every field of ``/proc/cpuinfo``.

    >>> fields_of("processor\t: 0\nCPU part\t: 0xd08\n\nprocessor\t: 1\n")
    {'processor': '0', 'CPU part': '0xd08'}
    """
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    return fields


def cores_of(cpuinfo: str) -> int:
    r"""Count the processors.

    >>> cores_of("processor\t: 0\n\nprocessor\t: 1\n")
    2
    """
    return len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE))
