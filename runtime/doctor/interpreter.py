"""Python, the kernel and the C library: whether wheels exist for them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .finding import Finding, fault, ok
from .machine import Ended, Machine

OLDEST, NEWEST = (3, 11), (3, 13)
"""As in pyproject.toml."""
GLIBC = (2, 28)
"""What the wheels need: numpy, onnxruntime, pillow and LiteRT are built for manylinux_2_27 or manylinux_2_28."""

_64_BIT = ("aarch64", "arm64", "x86_64", "AMD64")
_NEW_CARD = "write Raspberry Pi OS (64-bit) to the card with Raspberry Pi Imager"
_ASK = """
import json, os, platform, struct, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, ValueError):
    libc = ""
print(json.dumps({
    "version": sys.version_info[:3], "implementation": platform.python_implementation(), "libc": libc,
    "bits": 8 * struct.calcsize("P"), "kernel": platform.machine(), "system": platform.system(),
    "environment": sys.prefix != sys.base_prefix,
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What a Python says of itself.

    Attributes:
        version: such as ``(3, 11, 2)``.
        implementation: such as ``CPython``.
        libc: such as ``glibc 2.36``; empty where there is no GNU C library.
        bits: of a pointer.
        kernel: the kernel's name of the processor; 64-bit kernels run 32-bit Pythons.
        system: such as ``Linux``.
        environment: whether it is a virtual environment.
    """

    version: tuple[int, ...]
    implementation: str
    libc: str
    bits: int
    kernel: str
    system: str
    environment: bool


def ask_interpreter(machine: Machine) -> Interpreter | Ended:
    """Start the machine's Python and ask it; how it ended, when it gave no answer."""
    ended = machine.run_code(_ASK)
    if ended.status != 0:
        return ended
    try:
        answer = json.loads(ended.stdout)
        return Interpreter(**{**answer, "version": tuple(answer["version"])})
    except (ValueError, TypeError, KeyError):  # not Python, or something that prints more than it was asked
        return Ended(None, stderr=f"another answer than expected: {ended.stdout!r}")


def check_bits(python: Interpreter) -> Finding:
    """Check that kernel and userland have 64 bits: no onnxruntime wheel exists for 32-bit ARM."""
    kernel_64 = python.kernel in {*_64_BIT, "armv8l"}  # armv8l: a 64-bit kernel that hides it from 32-bit programs
    found = f"{'64' if kernel_64 else '32'}-bit kernel ({python.kernel}), {python.bits}-bit Python"
    if python.bits == 32:
        why = f"{found}: onnxruntime has no wheel for 32-bit systems"
        return fault("64 bit", why, _NEW_CARD)
    if not kernel_64:
        return fault("64 bit", f"{python.kernel}: onnxruntime has no wheel for it", "use a board with ARM64 or x86-64")
    return ok("64 bit", found)


def check_python(python: Interpreter) -> Finding:
    """Check that there are wheels for this version of Python."""
    version = ".".join(map(str, python.version))
    found = f"{python.implementation} {version}{' in a virtual environment' if python.environment else ''}"
    span = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if python.implementation != "CPython":
        return fault("python", f"{found}: the wheels are for CPython", "sudo apt install python3-venv")
    if python.version[:2] < OLDEST:
        mend = f"{_NEW_CARD}: its Python is new enough (12 bookworm: 3.11, 13 trixie: 3.13)"
        return fault("python", f"{found}: {span} is needed", mend)
    if python.version[:2] > NEWEST:
        older = f"python{NEWEST[0]}.{NEWEST[1]}"
        return fault("python", f"{found}: {span} is needed", f"make the virtual environment with {older} -m venv")
    return ok("python", found)


def check_wheels(python: Interpreter) -> Finding:
    """Check that the C library is what the wheels were built for."""
    if python.system != "Linux":
        return ok("wheels", f"{python.system} on {python.kernel}")
    name, _, number = python.libc.partition(" ")
    needed = ".".join(map(str, GLIBC))
    if name != "glibc":
        mend = "use a system with glibc, such as Debian or Raspberry Pi OS (Alpine has another C library)"
        return fault("wheels", "no GNU C library: onnxruntime has no wheel for it", mend)
    if tuple(int(part) for part in number.split(".")[:2]) < GLIBC:
        found = f"{python.libc}: the wheels need {needed} or newer (manylinux_{GLIBC[0]}_{GLIBC[1]})"
        return fault("wheels", found, f"{_NEW_CARD}, bookworm or newer")
    tag = f"cp{python.version[0]}{python.version[1]}, manylinux_{GLIBC[0]}_{GLIBC[1]}_{python.kernel}"
    return ok("wheels", f"{tag}; {python.libc} is new enough")
