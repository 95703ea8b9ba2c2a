"""Look at the installed packages: do they fit together, and is a version of theirs known to be vulnerable?

Run as ``python tests/audit.py [CONSTRAINTS]`` (``make audit``). The second question needs OSV's database
(https://osv.dev). Where it cannot be reached, that is said in one line, and is no failure: a check that fails without a
network is soon switched off. FMNIST_EDGE_AUDIT_URL names another address of such a database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
URL_VARIABLE = "FMNIST_EDGE_AUDIT_URL"
_TIMEOUT_S = "15"


def fitting() -> bool:
    """Tell whether all requirements of the installed packages are met; say which are not."""
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    sys.stdout.write(done.stdout)
    return done.returncode == 0


def ask(constraints: Path) -> tuple[list[dict[str, Any]] | None, str]:
    """Ask the database about every pinned version; return its answers, or None and why there are none."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(constraints), "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", _TIMEOUT_S]
    url = os.environ.get(URL_VARIABLE)
    command += ["--vulnerability-service", "osv", *(["--osv-url", url] if url else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return None, lines[-1][:200]


def main(arguments: list[str]) -> int:
    """Print what was found, and return 1 if something was."""
    code = 0 if fitting() else 1
    answers, reason = ask(Path(arguments[0]) if arguments else CONSTRAINTS)
    if answers is None:
        print(f"NOT audited for known vulnerabilities, because the database gave no answer: {reason}")  # noqa: T201
        return code
    found = [(entry, fault) for entry in answers for fault in entry.get("vulns", [])]
    for entry, fault in found:
        mended = ", ".join(fault.get("fix_versions") or ["no version yet"])
        print(f"{entry['name']} {entry['version']}: {fault['id']}, mended in {mended}")  # noqa: T201
    print(f"audited {len(answers)} packages: {len(found)} known vulnerabilities")  # noqa: T201
    return 1 if found else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
