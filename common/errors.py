"""The one error that a user is meant to read."""

from __future__ import annotations


class EdgeError(Exception):
    """An expected failure, told in one line: what, expected, got, next step.

    The CLI prints ``str(error)`` on standard error and ends with `exit_code`.

    Attributes:
        exit_code: 2 for bad input, 1 for a negative verdict.

    >>> str(EdgeError("cannot read model.onnx", expected="an ONNX file", got="0 bytes", hint="export it again"))
    'cannot read model.onnx; expected an ONNX file; got 0 bytes; next: export it again'
    """

    def __init__(self, what: str, *, expected: str = "", got: str = "", hint: str = "", exit_code: int = 2) -> None:
        self.exit_code = exit_code
        parts = [what]
        if expected:
            parts.append(f"expected {expected}")
        if got:
            parts.append(f"got {got}")
        if hint:
            parts.append(f"next: {hint}")
        super().__init__(one_line("; ".join(parts)))


def printable(text: str) -> str:
    r"""Put a question mark for what would move a terminal's cursor or colour it, or is no whole character.

    >>> printable("Größe \x1b[2J"), printable("\udcff.png")
    ('Größe ?[2J', '?.png')
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character.isspace() else "?" for character in text)


def one_line(text: object, *, limit: int = 600) -> str:
    r"""Fold any text into one printable line of at most `limit` characters.

    What a terminal would obey instead of show (names and texts come from files that anyone may have made) is left out.

    >>> one_line("two\n  lines")
    'two lines'
    >>> one_line("abcdef", limit=4)
    'abc…'
    >>> one_line("\x1b[2Jgone")
    '?[2Jgone'
    """
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"
