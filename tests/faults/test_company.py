"""Several processes in one folder: two that train, two that export, ten that fetch the dataset."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fmnist_edge.common.files import sha256_hex
from fmnist_edge.common.locks import FolderLock
from fmnist_edge.dataset import locate
from fmnist_edge.dataset.sources import DATA_FILES, TEST_IMAGES, find_file, verified_payload

from .conftest import TRAIN
from .nursery import Nursery
from .wholeness import half_written, require_whole

TEN = 10
PATIENCE_S = 900


def test_of_two_that_train_in_one_folder_one_is_told_of_the_other(work: Path, nursery: Nursery) -> None:
    first, second = (nursery.begin(work, *TRAIN) for _ in range(2))
    ended = sorted((nursery.end(first), nursery.end(second)), key=lambda one: one.code)
    assert [one.code for one in ended] == [0, 2], [one.err for one in ended]
    line = ended[1].one_line()
    assert "another process is training in run" in line or "run holds a training run already" in line
    require_whole(work / "run")
    assert half_written(work) == []
    assert json.loads((work / "run" / "metrics.json").read_text())["training"]["epoch"] == 3


@pytest.mark.parametrize("command", [TRAIN, ("train", "--resume", "--out", "run")], ids=["begin", "resume"])
def test_a_run_that_is_being_trained_is_left_alone(command: tuple[str, ...], work: Path, nursery: Nursery) -> None:
    run = work / "run"
    run.mkdir()
    if "--resume" in command:
        (run / "config.json").write_bytes((work / "trained" / "config.json").read_bytes())
    before = sorted(path.name for path in run.iterdir())
    with FolderLock(run, purpose="training"):
        ended = nursery.run(work, *command)
    assert ended.code == 2
    assert "another process is training in run; next: let it end, or name another folder" in ended.one_line()
    assert sorted(path.name for path in run.iterdir()) == before
    ended = nursery.run(work, *command)
    assert ended.code == 0, ended.err


def test_two_that_export_into_one_folder_leave_whole_files(work: Path, nursery: Nursery) -> None:
    command = ("export", "trained", "--float16", "--dynamic", "--out", "models", "--force")
    numbers = [nursery.begin(work, *command) for _ in range(2)]
    for number in numbers:
        ended = nursery.end(number)
        assert ended.code == 0, ended.err
    require_whole(work / "models")
    assert half_written(work) == []


# --- the dataset -----------------------------------------------------------------------------------------------------

FETCH = """
import sys
from pathlib import Path
from fmnist_edge.dataset import sources
sources.DEBIAN_FOLDER = Path("absent")
sys.stdin.readline()
folder = sources.locate()
print(sources.sha256_hex(sources.load_payload(folder, sources.TEST_IMAGES)))
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[str]:
    """The address of a web server on this machine that has the four real files."""
    files = tmp_path / "upstream"
    files.mkdir()
    for file in DATA_FILES:
        path = find_file(locate(), file)
        assert path is not None
        (files / f"{file.name}.gz").symlink_to(path)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(files))) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_ten_that_start_at_once_with_an_empty_cache_all_read_whole_files(upstream: str, tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "FMNIST_EDGE_UPSTREAM": upstream}
    environment |= {"no_proxy": "127.0.0.1"}
    environment.pop("FMNIST_EDGE_DATA", None)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [
        subprocess.Popen([sys.executable, "-c", FETCH], env=environment, cwd=tmp_path, text=True, **pipes)
        for _ in range(TEN)
    ]
    for one in running:  # all have started before the first is let go
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=PATIENCE_S) for one in running]
    assert [one.returncode for one in running] == [0] * TEN, said
    assert {out.strip() for out, _ in said} == {TEST_IMAGES.sha256}
    cache = tmp_path / "cache" / "fmnist-edge" / "fashion-mnist"
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{file.name}.gz" for file in DATA_FILES)
    for file in DATA_FILES:
        assert sha256_hex(verified_payload(cache / f"{file.name}.gz", file)) == file.sha256
