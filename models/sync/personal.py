"""Personal values in texts and JSON: found by what they are, wherever they stand. Plain Python."""

import re

MASK = "•••"
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def words(text):
    """Return ``text`` without case and with single blanks."""
    return " ".join(str(text).casefold().split())


class Personal:
    """Tells whether a text is, holds or is a part of one of ``values``.

    :param values: personal texts, e.g. ``{"Ada Lovelace", "ada@example.com"}``
    :param parts: a text that is a whole word of a value counts too (a first name in a field of its own)
    """

    def __init__(self, values, parts=False):
        self.values = {words(value) for value in values if value}
        self.parts = parts

    def __call__(self, text):
        text = words(text)
        if not text:
            return False
        return text in self.values or any(
            (len(value) > 2 and value in text) or (self.parts and len(text) > 1 and f" {text} " in f" {value} ")
            for value in self.values)


def texts(raw):
    """Yield the texts in JSON ``raw``, wherever they stand."""
    if isinstance(raw, str):
        yield raw
    elif isinstance(raw, (dict, list)):
        for value in raw.values() if isinstance(raw, dict) else raw:
            yield from texts(value)


def replaced(raw, is_personal, mark):
    """Return JSON ``raw`` with ``mark`` for every text that is personal. Numbers, keys and the shape stay."""
    if isinstance(raw, dict):
        return {key: replaced(value, is_personal, mark) for key, value in raw.items()}
    if isinstance(raw, list):
        return [replaced(value, is_personal, mark) for value in raw]
    return mark if isinstance(raw, str) and is_personal(raw) else raw
