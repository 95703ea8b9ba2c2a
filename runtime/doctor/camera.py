"""Cameras: nothing that is missing here prevents inference on files."""

from __future__ import annotations

import re

from .finding import Finding, ok, warning
from .machine import Machine, read_text

# Video devices of a Raspberry Pi that are no cameras: its decoders, encoders and image processors.
_NO_CAMERA = re.compile("bcm2835-(codec|isp)|pispbe|rpivid|rpi-hevc-dec|hevc")
_ASK = """
import importlib.util
if importlib.util.find_spec("picamera2") is None:
    print("missing")
else:
    import picamera2
    print(len(picamera2.Picamera2.global_camera_info()))
"""
_VENV = "sudo apt install python3-picamera2, and make the environment with python3 -m venv --system-site-packages"


def check_camera(machine: Machine) -> Finding:
    """Say which cameras there are, and whether picamera2 can be imported where it is needed."""
    cameras = camera_names(machine)
    ended = machine.run_code(_ASK)
    answer = re.search(r"(missing|\d+)\s*$", ended.stdout) if ended.status == 0 else None
    listed = ", ".join(cameras) or "none"
    if answer is None:
        return warning("camera", f"{listed}; import picamera2 ends in {ended.why}", _VENV)
    if answer[1] == "missing":
        if any(re.match("unicam|rp1-cfe", name) for name in cameras):
            return warning("camera", f"{listed}; picamera2 cannot be imported here", _VENV)
        return ok("camera", f"{listed}; predict and watch need none" if not cameras else listed)
    count = int(answer[1])
    if not count and not cameras:
        return ok("camera", "none; picamera2 is there; predict and watch need none")
    return ok("camera", f"{listed}; picamera2 sees {count}")


def camera_names(machine: Machine) -> list[str]:
    """Return what the kernel calls the video devices that are cameras, each name once."""
    names = (read_text(path / "name") for path in machine.glob("/sys/class/video4linux/video*"))
    return list(dict.fromkeys(name for name in names if name and not _NO_CAMERA.match(name)))
