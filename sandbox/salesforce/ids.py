"""Record ids: 15 case-sensitive characters plus 3 check characters that make them safe to compare without case."""

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_INSTANCE = "5g0"


def with_checksum(id15):
    """Return the 18-character form of ``id15``."""
    check = ""
    for start in (0, 5, 10):
        bits = sum(1 << offset for offset, char in enumerate(id15[start:start + 5]) if "A" <= char <= "Z")
        check += _CHECK[bits]
    return id15 + check


def make(prefix, number):
    """Return the 18-character id of the ``number``-th record of the object with this key ``prefix``.

    Numbers are spread, so that neighbours differ in the case of a letter as real ids do; order is kept.
    """
    value, digits = 1_000_003 + number * 37, ""
    while value:
        value, rest = divmod(value, 62)
        digits = ALPHABET[rest] + digits
    return with_checksum(prefix + _INSTANCE + digits.rjust(9, "0"))


def normalise(text):
    """Return the 18-character form of a 15- or 18-character id, or None when it is neither."""
    if not isinstance(text, str) or len(text) not in (15, 18) or not text.isascii() or not text.isalnum():
        return None
    full = with_checksum(text[:15])
    return full if len(text) == 15 or full[15:] == text[15:].upper() else None
