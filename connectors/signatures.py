"""Signed webhooks: HMAC in constant time against every secret that counts, and the age of a signature both ways."""

import base64
import hashlib
import hmac

from .errors import SignatureError, StaleSignatureError

#: Seconds that a signature may be old, or ahead of our clock.
TOLERANCE = 300


def hex_digest(secret, message):
    """Return the HMAC-SHA256 of ``message`` (bytes) as lower-case hexadecimal text."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def base64_digest(secret, message):
    """Return the HMAC-SHA256 of ``message`` (bytes) as Base64 text."""
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def secrets_of(secrets, code):
    """Return the texts of a webhook secret, the current and the previous ones; a field may hold several lines."""
    return [text for values in secrets for text in (values.get(code) or "").split()]


def check_signature(secrets, message, given, digest=hex_digest):
    """Refuse a message that none of the secrets signed; without a secret there is nothing that is trusted.

    :param secrets: texts, see :func:`secrets_of`
    :param given: signatures (texts) that came with the message
    :raise SignatureError: none of them is right
    """
    expected = [digest(secret, message).encode() for secret in secrets]
    # All are compared, so that the time tells nothing of which one was nearly right.
    found = [hmac.compare_digest(ours, theirs.encode(errors="replace")) for ours in expected for theirs in given]
    if not any(found):
        raise SignatureError("The signature does not belong to this delivery", "signature")


def check_age(seconds, now, tolerance=TOLERANCE):
    """Refuse a signature of another time than now.

    :param seconds: when it was signed, in seconds since 1970
    :raise StaleSignatureError: signed too long ago, or in the future
    """
    if abs(now.timestamp() - seconds) > tolerance:
        raise StaleSignatureError("The delivery was signed too long ago, or in the future", "stale")
