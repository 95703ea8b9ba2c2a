"""A camera, behind a small protocol: what it sees, as an array; and what to do when it goes away."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import ModuleType, TracebackType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from ..common.closing import Closing
from ..common.errors import EdgeError
from ..common.quiet import quiet_standard_error
from .classifier import Classifier
from .gather import Answer, Report
from .picture import prepare

SIZE = (640, 480)
"""Width and height that a camera is asked for; photos are looked at with 256 pixels."""
_STALE = 4
"""Frames that a V4L2 driver keeps waiting: they show what was there when the last one was taken."""
_TIMEOUT_S = 10.0
LONGEST_PAUSE_S = 30.0
"""Between two attempts to reach a camera that is gone; the first follows after a second, each next after twice that."""
_INSTALL = "sudo apt install python3-picamera2, or pip install opencv-python-headless"
_CONNECT = "connect a camera, and close what else uses it"


class Camera(Protocol):
    """Anything that takes pictures."""

    def capture(self) -> npt.NDArray[np.uint8]:
        """Take a picture now, uint8 ``(h, w, 3)``, RGB.

        Raises:
            EdgeError: the camera is gone.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PiCamera(Closing):
    """A camera that libcamera knows, through picamera2: the Raspberry Pi's own, and most USB cameras.

    Args:
        number: of the camera, from 0.

    Raises:
        EdgeError: absent or busy.
    """

    def __init__(self, library: ModuleType, number: int = 0) -> None:
        self._name = f"camera {number}"
        library.Picamera2.set_logging(library.Picamera2.ERROR)
        try:
            with quiet_standard_error():  # libcamera lists what it found
                self._camera: Any = library.Picamera2(number)
                # "BGR888" names the bytes of a word from its top; in memory, and so in the array, red comes first.
                main = {"size": SIZE, "format": "BGR888"}
                self._camera.configure(self._camera.create_video_configuration(main=main))
                self._camera.start()
        except Exception as error:  # an IndexError where there is none, a RuntimeError where it is busy
            self.close()
            raise EdgeError(f"cannot open {self._name}", got=_said(error), hint=_CONNECT) from error

    def capture(self) -> npt.NDArray[np.uint8]:
        """Take a picture now, uint8 ``(h, w, 3)``, RGB.

        Raises:
            EdgeError: the camera is gone.
        """
        try:
            frame = self._camera.capture_array("main", wait=_TIMEOUT_S)
        except Exception as error:  # whatever libcamera's bindings raise, or a TimeoutError
            raise EdgeError(f"{self._name} gives no picture", got=_said(error), hint=_CONNECT) from error
        return _checked(frame, self._name)

    def close(self) -> None:
        """Let go of the camera."""
        if hasattr(self, "_camera"):
            self._camera.close()


class V4l2Camera(Closing):
    """A camera that Linux knows as ``/dev/videoN``, through OpenCV.

    Args:
        number: N.

    Raises:
        EdgeError: absent or busy.
    """

    def __init__(self, library: ModuleType, number: int = 0) -> None:
        self._name = f"/dev/video{number}"
        with quiet_standard_error():  # OpenCV warns a second time
            self._camera: Any = library.VideoCapture(number, library.CAP_V4L2)
            self._camera.set(library.CAP_PROP_FRAME_WIDTH, SIZE[0])
            self._camera.set(library.CAP_PROP_FRAME_HEIGHT, SIZE[1])
        if not self._camera.isOpened():
            self.close()
            raise EdgeError(f"cannot open {self._name}", got="none, or one in use", hint=_CONNECT)

    def capture(self) -> npt.NDArray[np.uint8]:
        """Take a picture now, uint8 ``(h, w, 3)``, RGB.

        Raises:
            EdgeError: the camera is gone.
        """
        with quiet_standard_error():
            alive = all(self._camera.grab() for _ in range(_STALE))
            alive, frame = self._camera.read() if alive else (False, None)
        if not alive:
            raise EdgeError(f"{self._name} gives no picture", got="no frame", hint=_CONNECT)
        return _checked(frame, self._name)[:, :, ::-1]  # OpenCV's arrays have blue first

    def close(self) -> None:
        """Let go of the camera."""
        self._camera.release()


def _checked(frame: Any, name: str) -> npt.NDArray[np.uint8]:
    """Return the frame as what the protocol promises.

    Raises:
        EdgeError: it is something else.
    """
    pixels: npt.NDArray[np.uint8] = np.asarray(frame)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        got = f"{pixels.dtype} {pixels.shape}"
        raise EdgeError(f"{name} gives no usable picture", expected="uint8 (h, w, 3)", got=got)
    return pixels


def _said(error: Exception) -> str:
    """Return what an exception says, or its kind where it says nothing.

    >>> _said(TimeoutError())
    'TimeoutError'
    """
    return str(error) or type(error).__name__


_DRIVERS: tuple[tuple[str, Callable[[ModuleType, int], PiCamera | V4l2Camera]], ...] = (
    ("picamera2", PiCamera),
    ("cv2", V4l2Camera),
)


def open_camera(number: int = 0) -> PiCamera | V4l2Camera:
    """Open a camera through picamera2, else through OpenCV.

    Raises:
        EdgeError: neither is installed, or none of those that are finds a camera that is free; tells of each.
    """
    absent, failures = [], []
    for name, driver in _DRIVERS:
        try:
            library = importlib.import_module(name)
        except ImportError as error:
            absent.append(str(error))
            continue
        try:
            return driver(library, number)
        except EdgeError as error:
            failures.append(f"{name}: {error}")
    if failures:
        raise EdgeError("no camera", got=" / ".join(failures))
    raise EdgeError("picamera2 or OpenCV is needed to use a camera", got=" / ".join(absent), hint=_INSTALL)


class SteadyCamera(Closing):
    """A camera that is opened again after it went away.

    Args:
        connect: opens the camera; called at once, and again after every failure.
        report: told when the camera goes away, and not again before it was back.
        sleep: waits so many seconds.

    Raises:
        EdgeError: the camera cannot be opened now.
    """

    def __init__(
        self, connect: Callable[[], Camera], report: Report, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._connect, self._report, self._sleep = connect, report, sleep
        self._camera: Camera | None = connect().__enter__()

    def capture(self) -> npt.NDArray[np.uint8]:
        """Take a picture, uint8 ``(h, w, 3)``, RGB, as soon as there is a camera."""
        pause_s, told = 1.0, False
        while True:
            try:
                if self._camera is None:
                    self._camera = self._connect().__enter__()
                return self._camera.capture()
            except EdgeError as error:
                self.close()
                if not told:
                    self._report(error)
                told = True
            self._sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def close(self) -> None:
        """Let go of the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.__exit__(None, None, None)


def classify_frames(
    classifier: Classifier,
    camera: SteadyCamera,
    *,
    every_s: float,
    count: int | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Answer]:
    """Yield what is seen, one picture every `every_s` seconds; `count` of them, or without end.

    The name of an answer is the local time at which the picture was taken, ISO 8601.
    """
    left = count
    while left is None or left > 0:
        began_s = time.monotonic()
        frame = camera.capture()
        taken = datetime.now().astimezone().isoformat(timespec="milliseconds")
        prepared = prepare(frame, kind="photo")
        yield Answer(taken, prepared, classifier.predict_prepared(prepared))
        left = None if left is None else left - 1
        if left != 0:
            sleep(max(0.0, every_s - (time.monotonic() - began_s)))
