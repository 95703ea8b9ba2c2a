"""The audit fails where a pinned version is known to be vulnerable, and says so where it could not ask."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

AUDIT = Path(__file__).parent / "audit.py"
FAULT = {
    "id": "PYSEC-2000-1",
    "modified": "2000-01-01T00:00:00Z",
    "published": "2000-01-01T00:00:00Z",
    "summary": "a hole",
    "affected": [
        {
            "package": {"name": "six", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
    ],
}


class Database(BaseHTTPRequestHandler):
    """A database in the format of OSV that knows one hole, in six."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"vulns": [FAULT]} if asked["package"]["name"] == "six" else {}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def audit(constraints: Path, url: str) -> tuple[int, str]:
    environment = {**os.environ, "FMNIST_EDGE_AUDIT_URL": url}
    command = [sys.executable, str(AUDIT), str(constraints)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout


def test_a_known_hole_is_told_and_fails(database: str, tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("six==1.17.0\npluggy==1.6.0\n")
    code, said = audit(tmp_path / "pins.txt", database)
    assert code == 1
    assert "six 1.17.0: PYSEC-2000-1, mended in 99.0" in said
    assert said.endswith("audited 2 packages: 1 known vulnerabilities\n")


def test_without_a_hole_it_passes(database: str, tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("pluggy==1.6.0\n")
    code, said = audit(tmp_path / "pins.txt", database)
    assert (code, said.splitlines()[-1]) == (0, "audited 1 packages: 0 known vulnerabilities")


def test_where_the_database_cannot_be_reached_it_says_so_and_passes(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text("six==1.17.0\n")
    code, said = audit(tmp_path / "pins.txt", "http://127.0.0.1:9/v1/query")
    assert code == 0
    assert "NOT audited for known vulnerabilities, because the database gave no answer: " in said
