"""The boards that can be emulated, as data, and what their kernel says of the processor."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.errors import EdgeError

_ARMV8_0 = ("fp", "asimd", "evtstrm", "crc32", "cpuid")
_ARMV8_2 = (
    *("fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32", "atomics", "fphp", "asimdhp", "cpuid"),
    *("asimdrdm", "lrcpc", "dcpop", "asimddp"),
)


@dataclass(frozen=True)
class Board:
    """One board: four equal cores of an ARM processor.

    Attributes:
        name: as typed on the command line.
        title: as printed on the box.
        cpu: QEMU's name of the core; decides which instructions exist.
        part: the core's number in ``/proc/cpuinfo``; onnxruntime and XNNPACK choose kernels by it.
        variant: the core's major revision.
        revision: the core's minor revision.
        features: instruction sets that the kernel reports; more than `cpu` has ends in an illegal instruction.
        bogomips: twice the timer's frequency in MHz, as the kernel prints it.
    """

    name: str
    title: str
    cpu: str
    part: int
    variant: int
    revision: int
    features: tuple[str, ...]
    bogomips: float
    cores: int = 4


_ALL = (
    Board("pi3", "Raspberry Pi 3", "cortex-a53", 0xD03, 0, 4, _ARMV8_0, 38.4),
    Board("zero2w", "Raspberry Pi Zero 2 W", "cortex-a53", 0xD03, 0, 4, _ARMV8_0, 38.4),
    Board("pi4", "Raspberry Pi 4", "cortex-a72", 0xD08, 0, 3, _ARMV8_0, 108.0),
    Board("pi5", "Raspberry Pi 5", "cortex-a76", 0xD0B, 4, 1, _ARMV8_2, 108.0),
)
BOARDS = {board.name: board for board in _ALL}
"""Every board by its name."""


def find_board(name: str) -> Board:
    """Return the board called `name`.

    >>> find_board("pi5").cpu
    'cortex-a76'

    Raises:
        EdgeError: there is none of that name.
    """
    if name not in BOARDS:
        raise EdgeError(f"unknown board {name!r}", expected=", ".join(BOARDS), got=name)
    return BOARDS[name]


def cpuinfo(board: Board) -> str:
    r"""Write the ``/proc/cpuinfo`` of `board`, one block a core.

    >>> cpuinfo(BOARDS["pi4"]).splitlines()[6]
    'CPU part\t: 0xd08'
    """
    return "".join(_core(board, number) for number in range(board.cores))


def _core(board: Board, number: int) -> str:
    lines = (
        f"processor\t: {number}",
        f"BogoMIPS\t: {board.bogomips:.2f}",
        f"Features\t: {' '.join(board.features)}",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        f"CPU variant\t: {board.variant:#x}",
        f"CPU part\t: {board.part:#x}",
        f"CPU revision\t: {board.revision}",
    )
    return "\n".join(lines) + "\n\n"
