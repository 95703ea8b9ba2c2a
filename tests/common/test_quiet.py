"""Silence on file descriptor 2, and no longer than asked."""

from __future__ import annotations

import os

import pytest

from fmnist_edge.common.quiet import quiet_standard_error


def test_standard_error_is_silent_in_the_block_and_back_after_it(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_standard_error():
        os.write(2, b"a library's chatter")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_an_exception_passes_through_and_standard_error_is_back(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="as usual"), quiet_standard_error():
        raise ValueError("as usual")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_blocks_of_two_threads_overlap_and_standard_error_is_back(capfd: pytest.CaptureFixture[str]) -> None:
    first, second = quiet_standard_error(), quiet_standard_error()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    os.write(2, b"still quiet for the second")
    second.__exit__(None, None, None)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_no_file_descriptor_is_left_open() -> None:
    def lowest_free() -> list[int]:
        descriptors = [os.dup(2) for _ in range(4)]
        for descriptor in descriptors:
            os.close(descriptor)
        return descriptors

    before = lowest_free()
    with quiet_standard_error():
        pass
    assert lowest_free() == before
