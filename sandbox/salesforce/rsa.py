"""RSA with nothing but integers: a key pair for the connected app, and the check of an RS256 signature.

The stand-in only checks signatures (RFC 8017, RSASSA-PKCS1-v1_5 with SHA-256); clients sign with their own library
and the private key that the control API hands out.
"""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_RSA_OID = bytes.fromhex("06092a864886f70d0101010500")
_EXPONENT = 65537


def _primes_below(limit):
    sieve = bytearray([1]) * limit
    sieve[0:2] = b"\0\0"
    for number in range(2, int(limit ** 0.5) + 1):
        if sieve[number]:
            sieve[number * number::number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(limit) if sieve[number]]


_SMALL_PRIMES = _primes_below(2000)


def _is_prime(candidate):
    if any(candidate % prime == 0 for prime in _SMALL_PRIMES):
        return candidate in _SMALL_PRIMES
    odd, twos = candidate - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _round in range(20):
        value = pow(secrets.randbelow(candidate - 3) + 2, odd, candidate)
        if value in (1, candidate - 1):
            continue
        for _square in range(twos - 1):
            value = value * value % candidate
            if value == candidate - 1:
                break
        else:
            return False
    return True


def _prime(bits):
    while True:
        candidate = secrets.randbits(bits) | (0b11 << (bits - 2)) | 1
        if candidate % _EXPONENT != 1 and _is_prime(candidate):
            return candidate


def _der(tag, content):
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x80 | (size.bit_length() + 7) // 8]) + size.to_bytes(
        (size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + content


def _der_integer(value):
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


class KeyPair:
    """A 2048-bit RSA key pair.

    :ivar modulus: the public number
    """

    def __init__(self, bits=2048):
        first, second = _prime(bits // 2), _prime(bits // 2)
        while second == first:
            second = _prime(bits // 2)
        self.modulus = first * second
        self._size = (self.modulus.bit_length() + 7) // 8
        private = pow(_EXPONENT, -1, (first - 1) * (second - 1))
        self._numbers = (0, self.modulus, _EXPONENT, private, first, second, private % (first - 1),
                         private % (second - 1), pow(second, -1, first))

    def private_pem(self):
        """Return the private key as PKCS#8 PEM."""
        key = _der(0x30, b"".join(map(_der_integer, self._numbers)))
        wrapped = _der(0x30, _der_integer(0) + _der(0x30, _RSA_OID) + _der(0x04, key))
        text = base64.encodebytes(wrapped).replace(b"\n", b"").decode()
        lines = "\n".join(text[start:start + 64] for start in range(0, len(text), 64))
        return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"

    def verify(self, message, signature):
        """Return whether ``signature`` is an RS256 signature of ``message`` by this key."""
        if len(signature) != self._size:
            return False
        number = int.from_bytes(signature, "big")
        if number >= self.modulus:
            return False
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
        expected = b"\x00\x01" + b"\xff" * (self._size - len(digest) - 3) + b"\x00" + digest
        return hmac.compare_digest(pow(number, _EXPONENT, self.modulus).to_bytes(self._size, "big"), expected)

    def sign(self, message):
        """Return the RS256 signature of ``message``, for clients without a cryptography library."""
        digest = _SHA256_PREFIX + hashlib.sha256(message).digest()
        padded = b"\x00\x01" + b"\xff" * (self._size - len(digest) - 3) + b"\x00" + digest
        return pow(int.from_bytes(padded, "big"), self._numbers[3], self.modulus).to_bytes(self._size, "big")


@lru_cache(maxsize=1)
def process_key_pair():
    """Return the key pair of this process, made when first asked for (it takes about a second)."""
    return KeyPair()
