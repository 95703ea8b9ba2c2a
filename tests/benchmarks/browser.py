"""A real headless Chromium, driven over its DevTools pipe with nothing but the standard library.

As a program it says how long a page takes until it can be used:
``python -m fmnist_edge.tests.benchmarks.browser report/report.html`` from a checkout.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = "no chromium on this machine; run: make system"
_TIMEOUT_S = 120
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-extensions", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)


@dataclass
class Visit:
    """What a page did while it was shown.

    Attributes:
        requests: addresses that it asked for, itself excepted and what lies inside it.
        messages: errors and other lines of its console.
    """

    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class Browser:
    """One browser with one page in it."""

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="fmnist-edge-chromium-", ignore_cleanup_errors=True)
        here_out, there_in = os.pipe()
        there_out, here_in = os.pipe()
        command = f"exec {CHROMIUM} --remote-debugging-pipe --user-data-dir=$0 {' '.join(_FLAGS)} 3<&$1 4>&$2"
        self._process = subprocess.Popen(
            ["bash", "-c", command, self._profile.name, str(here_out), str(here_in)],
            pass_fds=(here_out, here_in),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(here_out)
        os.close(here_in)
        self._write, self._read = there_in, there_out
        os.set_blocking(self._read, False)
        self._rest = b""
        self._count = 0
        self._session: str | None = None
        self.visit = Visit()
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and return its answer."""
        self._count += 1
        number = self._count
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._note(answer)

    def _receive(self) -> dict[str, Any]:
        until_s = time.monotonic() + _TIMEOUT_S
        while b"\0" not in self._rest:
            if time.monotonic() > until_s or self._process.poll() is not None:
                raise RuntimeError("the browser does not answer")
            try:
                self._rest += os.read(self._read, 1 << 20)
            except BlockingIOError:
                time.sleep(0.002)
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        method, about = event.get("method", ""), event.get("params", {})
        if method == "Network.requestWillBeSent":
            address = about["request"]["url"]
            if about.get("type") != "Document" and not address.startswith("data:"):
                self.visit.requests.append(address)
        elif method == "Log.entryAdded":
            self.visit.messages.append(about["entry"]["text"])
        elif method in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown"}:
            self.visit.messages.append(json.dumps(about))
        elif method == "Page.loadEventFired":
            self._loaded = True

    def open(self, page: Path, *, width: int = 1400, dark: bool = False) -> Visit:
        """Show a page at a width in CSS pixels, and return what it did."""
        self.visit, self._loaded = Visit(), False
        mobile = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not self._loaded:
            self._note(self._receive())
        self.evaluate("document.fonts.ready.then(() => 0)")
        return self.visit

    def evaluate(self, expression: str) -> Any:
        """Return what JavaScript says in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press and release one key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path, *, top: float = 0, height: float | None = None) -> Path:
        """Write a picture of the page, or of the part of it from `top` on, as PNG."""
        size = self.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": top, "width": size[0], "height": min(height or size[1], size[1] - top), "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))
        return path

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        """End the browser and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._profile.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def usable_after_ms(browser: Browser, page: Path) -> dict[str, float]:
    """Return when the page was parsed, loaded and first painted, in milliseconds after the navigation began."""
    browser.open(page)
    return dict(
        browser.evaluate(
            "(() => { const n = performance.getEntriesByType('navigation')[0];"
            "const p = performance.getEntriesByType('paint').find(e => e.name === 'first-contentful-paint');"
            "return {interactive: n.domInteractive, loaded: n.loadEventEnd, painted: p ? p.startTime : -1}; })()"
        )
    )


if __name__ == "__main__":
    with Browser() as opened:
        for _ in range(5):
            sys.stdout.write(json.dumps(usable_after_ms(opened, Path(sys.argv[1]))) + "\n")
