"""Salesforce record ids: 15 case-sensitive characters, with three check characters 18."""

import re

_FORM = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")
_CHECK_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def is_id(text):
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def to_18(text):
    """Return the 18-character form, the only one that is stored.

    Each check character tells which of five characters are upper case (bit 0 is the leftmost).

    :raise ValueError: not a record id
    """
    if not is_id(text):
        raise ValueError(f"{text!r} is not a Salesforce id")
    stem = text[:15]
    check = "".join(
        _CHECK_ALPHABET[sum(char.isupper() << bit for bit, char in enumerate(stem[start:start + 5]))]
        for start in (0, 5, 10))
    return stem + check
