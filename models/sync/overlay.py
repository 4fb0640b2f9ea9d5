"""A person's corrections over a raw record. What came is never changed: it is read together with them.

A path is a list of keys (text) and positions (int). An overlay is a list of ``[path, JSON text of the value]``.
"""

import itertools

from ...connectors import jsontext


def leaves(raw, path=()):
    """Yield ``(path, value)`` of all plain values (and empty containers) of a parsed JSON document."""
    if isinstance(raw, dict) and raw:
        for key, value in raw.items():
            yield from leaves(value, (*path, key))
    elif isinstance(raw, list) and raw:
        for position, value in enumerate(raw):
            yield from leaves(value, (*path, position))
    else:
        yield path, raw


def overlaid(raw, overlay):
    """Return ``raw`` with the values of ``overlay`` put in; ``raw`` itself is used up.

    :raise ValueError: a path that does not fit the document
    """
    for path, text in overlay or ():
        _put(raw, path, jsontext.loads(text))
    return raw


def _put(raw, path, value):
    place = raw
    try:
        for key, following in itertools.pairwise(path):
            if isinstance(place, dict) and place.get(key) is None:
                place[key] = [] if isinstance(following, int) else {}
            place = place[key]
        place[path[-1]] = value
    except (LookupError, TypeError) as error:
        raise ValueError(f"{path_text(path)} is not in the record") from error


def path_text(path):
    """Return a path as people read it: ``lines[0].hours``."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


__all__ = ["leaves", "overlaid", "path_text"]
