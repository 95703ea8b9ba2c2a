"""What a camera sees is classified; a camera that goes away is told of once, and taken up again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fmnist_edge import EdgeError
from fmnist_edge.common.closing import Closing
from fmnist_edge.runtime import Classifier
from fmnist_edge.runtime.camera import Camera, SteadyCamera, classify_frames, open_camera

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
Frame = npt.NDArray[np.uint8]


def photo(name: str) -> Frame:
    with Image.open(PHOTOS / name) as image:
        return np.asarray(image.convert("RGB"))


class Shown(Closing):
    """A camera before which photos are held; where a line stands instead of one, it is pulled out."""

    def __init__(self, seen: Iterator[Frame | str]) -> None:
        self.seen = seen
        self.open = True

    def capture(self) -> Frame:
        assert self.open
        shown = next(self.seen)
        if isinstance(shown, str):
            raise EdgeError(shown)
        return shown

    def close(self) -> None:
        self.open = False


class Connection:
    """Connects to such cameras; `fails` says how often in a row it does not work, each time that it is tried anew."""

    def __init__(self, seen: Sequence[Frame | str], fails: Sequence[int] = ()) -> None:
        self._seen = iter(seen)
        self._fails = [0, *fails]
        self.cameras: list[Shown] = []

    def __call__(self) -> Camera:
        if self._fails and self._fails[0]:
            self._fails[0] -= 1
            raise EdgeError("no camera")
        self._fails = self._fails[1:]
        self.cameras.append(Shown(self._seen))
        return self.cameras[-1]


@pytest.fixture(scope="module")
def classifier(int8_onnx: Path) -> Iterator[Classifier]:
    with Classifier(int8_onnx, backend="onnxruntime") as opened:
        yield opened


NAMES = ("dress-001.jpg", "pants-017.jpg", "t-shirt-010.jpg")


def test_photos_before_a_camera_are_answered_as_photos_in_files(classifier: Classifier) -> None:
    pauses: list[float] = []
    steady = SteadyCamera(Connection([photo(name) for name in NAMES]), [].append)
    with steady:
        answers = list(classify_frames(classifier, steady, every_s=3600, count=3, sleep=pauses.append))
    for name, answer in zip(NAMES, answers, strict=True):
        assert answer.prediction == classifier.predict(Image.fromarray(photo(name)), kind="photo")
        assert answer.prepared.kind == "photo"
    taken = [datetime.fromisoformat(answer.name) for answer in answers]
    assert taken == sorted(taken)
    assert all(moment.tzinfo is not None for moment in taken)
    assert len(pauses) == 2  # none after the last
    assert all(3000 < pause <= 3600 for pause in pauses)


def test_a_camera_that_is_pulled_out_is_told_once_and_taken_up_again() -> None:
    black = np.zeros((30, 40, 3), np.uint8)
    connection = Connection([black, "it is gone", black, black, "gone again", black], fails=[7, 0])
    told: list[str] = []
    pauses: list[float] = []
    with SteadyCamera(connection, lambda error: told.append(str(error)), sleep=pauses.append) as steady:
        for _ in range(3):
            assert steady.capture() is black
        assert told == ["it is gone"]
        assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
        assert steady.capture() is black
    assert told == ["it is gone", "gone again"]
    assert pauses[8:] == [1]
    assert [camera.open for camera in connection.cameras] == [False, False, False]


def test_a_camera_that_is_not_there_at_the_start_is_an_error() -> None:
    def connect() -> Camera:
        raise EdgeError("no camera")

    with pytest.raises(EdgeError, match="no camera"):
        SteadyCamera(connect, [].append)


def test_without_an_end_it_goes_on_until_it_is_interrupted(classifier: Classifier) -> None:
    pauses: list[float] = []

    def until_fifth(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 5:
            raise KeyboardInterrupt

    connection = Connection([photo(NAMES[0])] * 9)
    with pytest.raises(KeyboardInterrupt), SteadyCamera(connection, [].append) as steady:
        list(classify_frames(classifier, steady, every_s=0, sleep=until_fifth))
    assert pauses == [0] * 5
    assert not connection.cameras[0].open


# --- the two libraries, which no test machine has: what is asked of them, and what is made of what they say --------


class Picamera2:
    """As much of picamera2 as is used, with `frame` before the lens; its names and errors are those of 0.3."""

    ERROR = 40
    frame: Any = None
    cameras = 1
    busy = False

    def __init__(self, camera_num: int) -> None:
        if camera_num >= self.cameras:
            raise IndexError("list index out of range")
        self.order: list[str] = []
        self.closed = False

    @staticmethod
    def set_logging(level: int) -> None:
        assert level == Picamera2.ERROR

    def create_video_configuration(self, *, main: dict[str, Any]) -> dict[str, Any]:
        assert main == {"size": (640, 480), "format": "BGR888"}
        return main

    def configure(self, configuration: dict[str, Any]) -> None:
        assert configuration["size"] == (640, 480)

    def start(self) -> None:
        if self.busy:
            raise RuntimeError("Failed to acquire camera: Device or resource busy")

    def capture_array(self, name: str, *, wait: float) -> Any:
        assert (name, wait) == ("main", 10.0)
        if self.frame is None:
            raise TimeoutError
        return self.frame

    def close(self) -> None:
        self.closed = True


class VideoCapture:
    """As much of cv2's as is used; `frames` are what its driver still has."""

    frames: list[Any] = []  # noqa: RUF012
    opens = True
    released = 0

    def __init__(self, number: int, api: int) -> None:
        assert api == 200
        self._opened = self.opens and number == 0

    def set(self, name: int, value: float) -> bool:
        assert (name, value) in {(3, 640), (4, 480)}
        return True

    def isOpened(self) -> bool:  # noqa: N802
        return self._opened

    def grab(self) -> bool:
        return bool(self.frames and (self.frames.pop(0) is not None))

    def read(self) -> tuple[bool, Any]:
        return (True, self.frames.pop(0)) if self.frames else (False, None)

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what puts the two libraries in place, or takes them away."""

    def put(*, picamera2: type | None = None, cv2: type | None = None) -> None:
        for name in ("picamera2", "cv2"):
            monkeypatch.setitem(sys.modules, name, None)
        if picamera2 is not None:
            module: Any = ModuleType("picamera2")
            module.Picamera2 = picamera2
            monkeypatch.setitem(sys.modules, "picamera2", module)
        if cv2 is not None:
            module = ModuleType("cv2")
            module.VideoCapture = cv2
            module.CAP_V4L2, module.CAP_PROP_FRAME_WIDTH, module.CAP_PROP_FRAME_HEIGHT = 200, 3, 4
            monkeypatch.setitem(sys.modules, "cv2", module)

    return put


def test_without_either_library_the_command_that_installs_one_is_named(install: Callable[..., None]) -> None:
    install()
    match = (
        r"picamera2 or OpenCV is needed to use a camera; got .*picamera2.* / .*cv2.*; "
        r"next: sudo apt install python3-picamera2, or pip install opencv-python-headless$"
    )
    with pytest.raises(EdgeError, match=match):
        open_camera()


def test_picamera2_gives_red_first(install: Callable[..., None]) -> None:
    frame = photo(NAMES[0])
    install(picamera2=type("Good", (Picamera2,), {"frame": frame}))
    with open_camera() as camera:
        assert np.array_equal(camera.capture(), frame)
        inner: Any = camera._camera
    assert inner.closed


def test_opencv_gives_blue_first_and_waiting_frames_are_old(install: Callable[..., None]) -> None:
    red = np.zeros((4, 6, 3), np.uint8)
    red[:, :, 2] = 255
    frames = [np.zeros((4, 6, 3), np.uint8)] * 4 + [red]
    install(cv2=type("Good", (VideoCapture,), {"frames": frames, "released": 0}))
    with open_camera() as camera:
        seen = camera.capture()
        assert seen[0, 0].tolist() == [255, 0, 0]
        with pytest.raises(EdgeError, match="/dev/video0 gives no picture; got no frame; next: connect a camera"):
            camera.capture()
    assert type(camera._camera).released == 1


@pytest.mark.parametrize(
    ("changes", "got"), [({"cameras": 0}, "list index out of range"), ({"busy": True}, "Failed to acquire .* busy")]
)
def test_a_camera_that_is_absent_or_busy_is_one_line(
    install: Callable[..., None], changes: dict[str, Any], got: str
) -> None:
    install(picamera2=type("Bad", (Picamera2,), changes), cv2=type("Bad", (VideoCapture,), {"opens": False}))
    match = (
        rf"no camera; got picamera2: cannot open camera 0; got {got}; next: connect a camera, and close what else "
        r"uses it / cv2: cannot open /dev/video0; got none, or one in use; next: connect"
    )
    with pytest.raises(EdgeError, match=match):
        open_camera()


def test_a_camera_that_only_the_second_library_finds_is_used(install: Callable[..., None]) -> None:
    frames = [np.zeros((4, 6, 3), np.uint8)] * 5
    install(picamera2=type("None", (Picamera2,), {"cameras": 0}), cv2=type("Good", (VideoCapture,), {"frames": frames}))
    with open_camera() as camera:
        assert camera.capture().shape == (4, 6, 3)


def test_a_camera_that_says_nothing_any_more_is_gone(install: Callable[..., None]) -> None:
    install(picamera2=Picamera2)
    with (
        open_camera() as camera,
        pytest.raises(EdgeError, match="camera 0 gives no picture; got TimeoutError; next: connect"),
    ):
        camera.capture()


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 4), (0, 6, 3)])
def test_frames_of_another_form_are_refused(install: Callable[..., None], shape: tuple[int, ...]) -> None:
    install(picamera2=type("Odd", (Picamera2,), {"frame": np.zeros(shape, np.uint8)}))
    match = r"camera 0 gives no usable picture; expected uint8 \(h, w, 3\); got uint8 \("
    with open_camera() as camera, pytest.raises(EdgeError, match=match):
        camera.capture()
