"""JSON changed as JSON: one place of it becomes something else, so that it still parses."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10, 255, 2**31, 2**63, -(2**64), 10**400, 0.0, -0.5, 1e-320, 1e308),
    *(float("inf"), float("nan"), "", "0", "abc", "\0", "\x1b[2J", "\u202e", "\ud800", "x" * 300, "0123456789" * 2),
    *([], {}, [0], [None], [[]], [1, 2], ["a", "b"], {"": 0}, {"a": {}}),
)
"""Values that are where a careless reader stumbles: limits, other types, text that no terminal should be shown."""
_Place = tuple[Any, Any]


def places(tree: Any) -> Iterator[_Place]:
    """Yield every place of a tree as its list or object, and the index or key in it."""
    entries: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(entries):
        yield tree, key
        yield from places(value)


def change_tree(tree: Any, random: Random) -> Any:
    """Return a copy in which one to three places hold something odd, something from elsewhere, or nothing."""
    changed = copy.deepcopy(tree)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        found = list(places(changed))
        if not found:
            return random.choice(ODD)
        holder, key = random.choice(found)
        match random.randrange(8):
            case 0:
                del holder[key]
            case 1:
                other, at = random.choice(found)
                holder[key] = copy.deepcopy(other[at]) if _holds(other, at) else None
            case 2 if isinstance(holder[key], int | float) and abs(holder[key]) < 1e99:
                holder[key] = random.choice((-1, 2, 0.5, 1e9)) * holder[key]
            case 3 if isinstance(holder[key], str | list):
                holder[key] = holder[key] * 2 if random.randrange(2) else holder[key][:-1]
            case 4 if isinstance(holder, list):
                holder.append(random.choice(ODD))
            case _:
                holder[key] = random.choice(ODD)
    return changed


def _holds(holder: Any, key: Any) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def change_json(text: bytes, random: Random) -> bytes | None:
    """Change JSON as JSON; None where it is none."""
    try:
        return json.dumps(change_tree(json.loads(text), random), separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None
