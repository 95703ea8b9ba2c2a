"""docs/raspberry-pi.md: what can run here runs, and systemd accepts and rates the service."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "raspberry-pi.md"
UNIT = ROOT / "docs" / "fmnist-edge-watch.service"
COMMAND = "/opt/fmnist-edge/venv/bin/fmnist-edge"
MAX_EXPOSURE = 5
"""In tenths on systemd's scale from 0 to 100; other versions of systemd count other options."""

# What cannot run here, and why.
NEEDS_A_PI = {
    "sudo apt update": "changes the system",
    "sudo apt install --yes python3-venv": "changes the system",
    "sudo apt install --yes python3-picamera2": "a package of Raspberry Pi OS",
    "sudo mkdir -p /opt/fmnist-edge": "changes the system",
    "sudo chown $USER /opt/fmnist-edge": "changes the system",
    "python3 -m venv --system-site-packages /opt/fmnist-edge/venv": "tests/test_packaging.py makes one elsewhere",
    "/opt/fmnist-edge/venv/bin/pip install fmnist-edge": "tests/test_packaging.py installs the wheel",
    "/opt/fmnist-edge/venv/bin/pip install 'fmnist-edge[litert]'": "installs packages",
    "scp exports/fmnist-compact-int8.onnx raspberrypi.local:/opt/fmnist-edge/model.onnx": "another machine",
    "cd /opt/fmnist-edge": "a folder of the Pi",
    "export PATH=/opt/fmnist-edge/venv/bin:$PATH": "a folder of the Pi",
    "pip install --no-deps fmnist-edge": "installs packages",
    "fmnist-edge watch pictures": "runs until Ctrl-C; tests/test_cli.py runs it",
    "fmnist-edge camera --every 2": "needs a camera",
    "sudo mkdir -p /srv/fmnist-edge/pictures": "changes the system",
    "sudo chown $USER /srv/fmnist-edge/pictures": "changes the system",
    "sudo cp fmnist-edge-watch.service /etc/systemd/system/": "changes the system",
    "systemd-analyze verify /etc/systemd/system/fmnist-edge-watch.service": "run below, on the file of the repository",
    "sudo systemctl daemon-reload": "needs a running systemd",
    "sudo systemctl enable --now fmnist-edge-watch": "needs a running systemd",
    "journalctl --unit fmnist-edge-watch --output cat --follow": "needs a running systemd",
    "scp photo.jpg raspberrypi.local:/srv/fmnist-edge/pictures/": "another machine",
}
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine; run: make system"
)


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def test_every_command_of_the_page_runs_or_is_said_to_need_a_pi(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/data/photos/dress-001.jpg", tmp_path / "photo.jpg")
    assert not set(NEEDS_A_PI) - set(commands())
    run = [command for command in dict.fromkeys(commands()) if command not in NEEDS_A_PI]
    assert len(run) == 5
    for command in run:
        program, _, rest = command.partition(" ")
        assert program in {"fmnist-edge", "python"}
        line = f"{sys.executable} {'-m fmnist_edge.cli' if program == 'fmnist-edge' else ''} {rest}"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "answer.png").is_file()


def test_the_links_of_the_page_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    assert UNIT.name in targets
    assert all((PAGE.parent / target).exists() for target in targets)


def test_the_page_names_only_what_doctor_says() -> None:
    from fmnist_edge.runtime.doctor import Machine, examine

    names = {finding.name for finding in examine(Machine())}
    table = re.findall(r"^\| (`.*?)(?:: .*?)? \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`([a-z0-9 ]+)`", cell)}
    assert len(named) > 5
    assert named <= names


@needs_systemd
def test_systemd_accepts_the_service(tmp_path: Path) -> None:
    """The program is not installed at its place here, so another one stands for it."""
    unit = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    assert text.count(f"ExecStart={COMMAND} watch ") == 1
    unit.write_text(text.replace(COMMAND, sys.executable), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text(encoding="utf-8").replace("Restart=", "Restrat="), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "Restrat" in done.stderr


@needs_systemd
def test_the_service_is_hardened(tmp_path: Path) -> None:
    rate = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MAX_EXPOSURE}"]
    done = subprocess.run([*rate, UNIT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    weaker = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8").replace("PrivateNetwork=yes\n", "").replace("CapabilityBoundingSet=\n", "")
    weaker.write_text(text, encoding="utf-8")
    assert subprocess.run([*rate, weaker], capture_output=True, check=False).returncode == 1


def test_the_command_of_the_service_is_one_that_the_command_line_takes(tmp_path: Path) -> None:
    """All but the folder are its own arguments; that it is missing is the first thing `watch` can complain about."""
    (line,) = re.findall(rf"^ExecStart={COMMAND} (.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    arguments = line.split()
    assert arguments[2:4] == ["--model", "box"]
    arguments[arguments.index("/srv/fmnist-edge/pictures")] = str(tmp_path / "missing")
    command = [sys.executable, "-m", "fmnist_edge.cli", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"cannot watch {tmp_path / 'missing'}" in done.stderr
