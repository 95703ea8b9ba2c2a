"""The one error class: everything it is told, in one line."""

from __future__ import annotations

import pytest

from fmnist_edge import EdgeError
from fmnist_edge.common.errors import one_line


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({}, "cannot do it"),
        ({"expected": "a"}, "cannot do it; expected a"),
        ({"got": "b"}, "cannot do it; got b"),
        ({"hint": "c"}, "cannot do it; next: c"),
        ({"hint": "c", "got": "b", "expected": "a"}, "cannot do it; expected a; got b; next: c"),
    ],
)
def test_an_error_says_what_expected_got_and_next_in_this_order(parts: dict[str, str], line: str) -> None:
    assert str(EdgeError("cannot do it", **parts)) == line


def test_an_error_stays_one_line_of_bounded_length_whatever_it_quotes() -> None:
    message = str(EdgeError("cannot load\nit", got="a library's\r\n\ttraceback " * 100))
    assert message.startswith("cannot load it; got a library's traceback a library's")
    assert len(message) == 600
    assert message.endswith("…")


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        ("", 4, ""),
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        (" a \n\n b ", 4, "a b"),
        (ValueError("x\ny"), 9, "x y"),
        ("\x1b[2J\u202e\ud800é", 30, "?[2J??é"),
    ],
)
def test_one_line_folds_white_space_and_cuts_at_the_limit(text: object, limit: int, line: str) -> None:
    assert one_line(text, limit=limit) == line
