"""What changes while a board runs: memory, disk, heat, power and clock."""

from __future__ import annotations

import re
import shutil

from .finding import Finding, ok, warning
from .machine import Machine, read_text

MEMORY_MIB = 150
"""Available memory for the largest int8 file, with some to spare: the seed network peaks at 136 MiB on photos."""
DISK_MIB = 500
"""Free space that an update of the packages needs: they unpack to some 250 MB."""
HOT_C = 80.0
"""From here on a Raspberry Pi slows down (https://www.raspberrypi.com/documentation/computers/raspberry-pi.html)."""

# https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
THROTTLED = {
    0: "under-voltage",
    1: "the clock is capped",
    2: "throttled",
    3: "the soft temperature limit is active",
    16: "under-voltage",
    17: "the clock was capped",
    18: "it was throttled",
    19: "the soft temperature limit was active",
}
_SINCE_BOOT = 16
_POWER_BITS = 1 << 0 | 1 << 16
_POWER = "use the official power supply of the board and a short cable"
_COOL = "fit a heat sink or fan, or move the board out of the sun"


def check_memory(machine: Machine) -> Finding:
    """Check that the largest model fits into the memory that is available."""
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", machine.read("/proc/meminfo") or "", re.MULTILINE))
    if "MemTotal" not in fields:
        return ok("memory", "not told by this machine")
    total, available = (int(fields.get(name, "0")) // 1024 for name in ("MemTotal", "MemAvailable"))
    found = f"{available} of {total} MiB available"
    if available < MEMORY_MIB:
        mend = "boot to the console instead of the desktop: sudo raspi-config nonint do_boot_behaviour B1"
        return warning("memory", f"{found}; the largest int8 model needs {MEMORY_MIB}", mend)
    return ok("memory", found)


def check_disk(machine: Machine) -> Finding:
    """Check that the disk has space and can be written: a card that fails turns read-only."""
    mounts = [line.split() for line in (machine.read("/proc/mounts") or "").splitlines()]
    options = [fields[3].split(",") for fields in mounts if len(fields) > 3 and fields[1] == "/"]
    if options and "ro" in options[-1]:
        mend = "sudo mount -o remount,rw / (and copy what is dear to you: a failing card turns read-only)"
        return warning("disk", "the root file system is read-only", mend)
    return disk_finding(shutil.disk_usage(machine.root).free)


def disk_finding(free_bytes: int) -> Finding:
    """Judge the free space.

    >>> disk_finding(2**30).found
    '1024 MiB free'
    """
    found = f"{free_bytes // 2**20} MiB free"
    if free_bytes < DISK_MIB * 2**20:
        return warning("disk", f"{found}; an update needs {DISK_MIB}", "sudo apt clean")
    return ok("disk", found)


def check_temperature(machine: Machine) -> Finding:
    """Check that the processor is not so hot that it slows down."""
    zones = machine.glob("/sys/class/thermal/thermal_zone*")
    told = [(read_text(zone / "type") or "", read_text(zone / "temp") or "") for zone in zones]
    temperatures = [(kind, int(text) / 1000) for kind, text in told if re.fullmatch(r"-?\d+", text)]
    if not temperatures:
        return ok("temperature", "not told by this machine")
    processors = [hot for kind, hot in temperatures if re.search("cpu|soc|pkg", kind)]
    hottest = max(processors or [hot for _, hot in temperatures])
    if hottest >= HOT_C:
        return warning("temperature", f"{hottest:.0f} °C; from {HOT_C:.0f} °C on the processor slows down", _COOL)
    return ok("temperature", f"{hottest:.0f} °C")


def check_throttling(machine: Machine) -> Finding:
    """Ask a Raspberry Pi's firmware whether power or heat hold the processor back."""
    tools = [path for path in map(machine.path, ("/usr/bin/vcgencmd", "/opt/vc/bin/vcgencmd")) if path.is_file()]
    if not tools:
        return _without_vcgencmd(machine)
    ended = machine.run([str(tools[0]), "get_throttled"])
    told = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", ended.stdout.strip())
    if ended.status != 0 or told is None:
        why = ended.why if ended.status != 0 else ended.stdout.strip() or "no answer"
        return warning(
            "throttling", f"vcgencmd does not tell: {why}", "sudo usermod -aG video $USER, then log in again"
        )
    return throttling_finding(int(told[1], 16))


def _without_vcgencmd(machine: Machine) -> Finding:
    if "Raspberry Pi" in (machine.read("/proc/device-tree/model") or ""):
        return warning("throttling", "there is no vcgencmd to ask", "sudo apt install raspi-utils")
    return ok("throttling", "not told by this machine")


def throttling_finding(bits: int) -> Finding:
    """Judge the bits of ``vcgencmd get_throttled``.

    >>> throttling_finding(0x50005).found
    'now: under-voltage, throttled; since boot: under-voltage, it was throttled (0x50005)'
    >>> throttling_finding(0).found
    'none since boot'
    """
    known = [bit for bit in THROTTLED if bits >> bit & 1]
    if not known:
        return ok("throttling", "none since boot")
    now = ", ".join(THROTTLED[bit] for bit in known if bit < _SINCE_BOOT)
    before = ", ".join(THROTTLED[bit] for bit in known if bit >= _SINCE_BOOT)
    parts = [f"{when}: {what}" for when, what in (("now", now), ("since boot", before)) if what]
    mend = _POWER if bits & _POWER_BITS else _COOL
    return warning("throttling", f"{'; '.join(parts)} ({bits:#x})", mend)


def check_governor(machine: Machine) -> Finding:
    """Check that the clock may rise: the governor ``powersave`` holds an ARM board at its lowest."""
    folder = "/sys/devices/system/cpu/cpu0/cpufreq"
    governor, driver = machine.read(f"{folder}/scaling_governor"), machine.read(f"{folder}/scaling_driver") or ""
    if governor is None:
        return ok("governor", "not told by this machine")
    if governor == "powersave" and not re.match("intel_pstate|amd-pstate", driver):  # theirs do raise the clock
        mend = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        return warning("governor", "powersave: the processor stays at its lowest clock", mend)
    return ok("governor", governor)
