"""Fetching into an empty cache: from a real web server, and out of Debian's package."""

from __future__ import annotations

import functools
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.dataset import fetching, locate
from fmnist_edge.dataset.sources import DATA_FILES, TEST_LABELS, TRAIN_IMAGES, find_file, verified_payload

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]


def send(handler: BaseHTTPRequestHandler, content: bytes, *, announced: int | None) -> None:
    """Answer with `content`, stating a length or none, and close the connection."""
    handler.send_response(200)
    if announced is not None:
        handler.send_header("Content-Length", str(announced))
    handler.end_headers()
    handler.wfile.write(content)


def whole(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content, announced=len(content))


def whole_of_unstated_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content, announced=None)


def half(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content[: len(content) // 2], announced=len(content))


def half_of_unstated_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    send(handler, content[: len(content) // 2], announced=None)


def web_page(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    send(handler, b"<html>please log in</html>", announced=26)


def nonsense_length(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "many")
    handler.end_headers()


def not_found(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.send_error(404)


def no_answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
    handler.close_connection = True


class Upstream:
    """A web server on this machine; `answers` says how it misbehaves for which file."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self._folder = folder

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.removeprefix("/data/")
        self.requests.append(name)
        self.answers.get(name, whole)(handler, (self._folder / name).read_bytes())


@pytest.fixture
def upstream(empty_cache: Path, real_files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """Serve the four real files at the upstream address of a machine with an empty cache."""
    server = Upstream(real_files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=functools.partial(listener.serve_forever, poll_interval=0.01))
        thread.start()
        monkeypatch.setenv("FMNIST_EDGE_UPSTREAM", f"http://127.0.0.1:{listener.server_port}/data/")
        yield server
        listener.shutdown()
        thread.join()


class Debian:
    """A folder first in PATH, for shell scripts that stand in for Debian's tools."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self._folder = folder

    def put(self, name: str, script: str) -> None:
        path = self._folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{script}\n')
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Debian:
    """Tools of which apt-get fails, until a test puts another one in its place."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    tools = Debian(folder)
    tools.put("apt-get", "echo 'E: no package lists' >&2; exit 100")
    return tools


BRING_PACKAGE = "touch dataset-fashion-mnist_1_all.deb"


def unpack(files: Path) -> str:
    """Return a dpkg-deb that unpacks `files` to where Debian's package has them."""
    return f'to="$3/usr/share/datasets/fashion-mnist"; mkdir -p "$to"; cp {files}/* "$to"'


def require_whole(folder: Path) -> None:
    """Check that the folder holds the four real files and nothing else."""
    assert len(list(folder.iterdir())) == 4
    for file in DATA_FILES:
        path = find_file(folder, file)
        assert path is not None
        verified_payload(path, file)


def test_the_four_files_come_from_upstream_once(empty_cache: Path, upstream: Upstream) -> None:
    assert locate() == empty_cache
    require_whole(empty_cache)
    assert locate() == empty_cache
    assert upstream.requests == [f"{file.name}.gz" for file in DATA_FILES]


def test_progress_of_a_download_grows_to_its_total(upstream: Upstream) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}
    upstream.answers = {f"{TEST_LABELS.name}.gz": whole_of_unstated_length}
    locate(progress=lambda stage, done, total: seen.setdefault(stage, []).append((done, total)))
    assert list(seen) == [f"downloading {file.name}.gz" for file in DATA_FILES]
    unstated = seen.pop(f"downloading {TEST_LABELS.name}.gz")
    assert all(done < total for done, total in unstated)
    for steps in seen.values():
        assert steps == sorted(steps)
        assert len({total for _, total in steps}) == 1
        assert steps[-1][0] == steps[-1][1]


def test_what_is_already_in_the_cache_is_not_fetched_again(
    empty_cache: Path, upstream: Upstream, real_files: Path
) -> None:
    empty_cache.mkdir(parents=True)
    shutil.copy(real_files / f"{TRAIN_IMAGES.name}.gz", empty_cache)
    locate()
    require_whole(empty_cache)
    assert f"{TRAIN_IMAGES.name}.gz" not in upstream.requests


def test_four_at_once_all_get_the_files(empty_cache: Path, upstream: Upstream) -> None:
    started = threading.Barrier(4, timeout=60)

    def fetch(_: int) -> Path:
        waited = False

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal waited
            if not waited:
                waited = True
                started.wait()  # each has begun its first download before any has finished one

        return locate(progress=progress)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fetch, range(4))) == [empty_cache] * 4
    assert upstream.requests.count(f"{TRAIN_IMAGES.name}.gz") == 4
    require_whole(empty_cache)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web_page, "upstream: .* is damaged; expected 47,040,016 bytes; got 26 bytes"),
        (half, "upstream: the download of http://127.* broke off; expected 26,.* bytes; got 1"),
        (half_of_unstated_length, "upstream: cannot decompress .*; expected a whole gzip file"),
        (not_found, f"upstream: cannot download http://127.*/data/{TRAIN_IMAGES.name}.gz; got HTTP Error 404"),
        (no_answer, "upstream: cannot download http://127.*; got Remote end closed connection"),
        (nonsense_length, "upstream: cannot download http://127.*; got invalid literal"),
    ],
)
@pytest.mark.usefixtures("debian")
def test_a_bad_download_leaves_nothing_and_the_error_names_both_reasons(
    empty_cache: Path, upstream: Upstream, answer: Answer, reason: str
) -> None:
    upstream.answers = {f"{TRAIN_IMAGES.name}.gz": answer}
    both = rf"cannot get Fashion-MNIST; got {reason}.* \| Debian's package: apt-get failed; got E: no package lists; "
    with pytest.raises(EdgeError, match=f"{both}next: copy the four .gz files to this machine .* --data-dir"):
        locate()
    assert list(empty_cache.iterdir()) == []


@pytest.mark.usefixtures("debian")
def test_the_good_files_before_a_bad_one_are_kept_for_the_next_try(empty_cache: Path, upstream: Upstream) -> None:
    last = f"{TEST_LABELS.name}.gz"
    upstream.answers = {last: half}
    with pytest.raises(EdgeError, match=f"the download of .*/{last} broke off"):
        locate()
    assert {path.name for path in empty_cache.iterdir()} == {f"{file.name}.gz" for file in DATA_FILES} - {last}
    upstream.answers = {}
    upstream.requests.clear()
    locate()
    require_whole(empty_cache)
    assert upstream.requests == [last]


def test_a_server_that_says_nothing_is_given_up(
    empty_cache: Path, upstream: Upstream, debian: Debian, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    upstream.answers = {f"{TRAIN_IMAGES.name}.gz": lambda handler, content: given_up.wait(60) and None}
    monkeypatch.setattr(fetching, "_TIMEOUT_S", 0.05)
    try:
        with pytest.raises(EdgeError, match=r"upstream: cannot download .*; got .*timed out"):
            locate()
    finally:
        given_up.set()
    assert list(empty_cache.iterdir()) == []
    assert debian.calls[0] == "apt-get download dataset-fashion-mnist"


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:nonsense", "ftp2://127.0.0.1"])
@pytest.mark.usefixtures("debian", "empty_cache")
def test_a_wrong_upstream_address_is_named(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_EDGE_UPSTREAM", address)
    with pytest.raises(EdgeError, match=f"upstream: cannot download {re.escape(address)}/{TRAIN_IMAGES.name}.gz; got "):
        locate()


def test_debians_package_stands_in_for_upstream(empty_cache: Path, real_files: Path, debian: Debian) -> None:
    debian.put("apt-get", BRING_PACKAGE)
    debian.put("dpkg-deb", unpack(real_files))
    steps: list[tuple[int, int]] = []
    assert locate(progress=lambda stage, done, total: steps.append((done, total))) == empty_cache
    require_whole(empty_cache)
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert [call.split()[:2] for call in debian.calls] == [["apt-get", "download"], ["dpkg-deb", "-x"]]


@pytest.mark.usefixtures("empty_cache")
def test_where_package_lists_are_missing_apt_get_is_given_lists_of_its_own(real_files: Path, debian: Debian) -> None:
    debian.put("apt-get", f'case "$*" in *State::Lists*download*) {BRING_PACKAGE};; *update) ;; *) exit 100;; esac')
    debian.put("dpkg-deb", unpack(real_files))
    locate()
    first, update, download, _ = debian.calls
    assert first == "apt-get download dataset-fashion-mnist"
    assert update.split()[2:] == ["-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=", "update"]
    assert download.split()[1] == update.split()[1]


@pytest.mark.parametrize(
    ("apt_get", "dpkg_deb", "reason"),
    [
        ("exit 0", "", "apt-get brought no dataset-fashion-mnist"),
        (BRING_PACKAGE, "echo 'not an archive' >&2; exit 2", "dpkg-deb failed; got not an archive"),
        (BRING_PACKAGE, 'mkdir "$3"', f"Debian's dataset-fashion-mnist has no {TRAIN_IMAGES.name}"),
        (
            BRING_PACKAGE,
            f'to="$3/usr/share/datasets/fashion-mnist"; mkdir -p "$to"; echo x > "$to/{TRAIN_IMAGES.name}"',
            f"{TRAIN_IMAGES.name}.* is damaged; expected 47,040,016 bytes; got 2 bytes",
        ),
    ],
)
def test_a_bad_package_leaves_nothing_and_the_error_names_both_reasons(
    empty_cache: Path, debian: Debian, apt_get: str, dpkg_deb: str, reason: str
) -> None:
    debian.put("apt-get", apt_get)
    debian.put("dpkg-deb", dpkg_deb)
    with pytest.raises(EdgeError, match=rf"upstream: cannot download .*refused.* \| Debian's package: .*{reason}"):
        locate()
    assert list(empty_cache.iterdir()) == []


def test_a_machine_that_is_no_debian_is_told_so(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EdgeError, match=r"Debian's package: no apt-get on this machine \(it is not a Debian\)"):
        locate()
    assert list(empty_cache.iterdir()) == []


@pytest.mark.usefixtures("empty_cache")
def test_an_apt_get_that_hangs_is_given_up(debian: Debian, monkeypatch: pytest.MonkeyPatch) -> None:
    debian.put("apt-get", "exec tail -f /dev/null")
    monkeypatch.setattr(fetching, "_APT_TIMEOUT_S", 0.2)
    with pytest.raises(EdgeError, match=r"Debian's package: apt-get took longer than 0\.2 s"):
        locate()


def test_a_file_in_the_place_of_the_cache_is_an_error(empty_cache: Path) -> None:
    empty_cache.parent.mkdir(parents=True)
    empty_cache.touch()
    with pytest.raises(EdgeError, match=r"cannot make folder .*fashion-mnist; got File exists"):
        locate()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not installed: this machine is no Debian")
def test_the_real_package_comes_from_debian_when_upstream_is_out_of_reach(empty_cache: Path) -> None:
    assert locate() == empty_cache
    require_whole(empty_cache)
