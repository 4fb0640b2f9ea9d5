"""How sure it is that two descriptions of a customer mean the same one. Plain Python, no database.

The score, 0 to 100, is the best of these, less what speaks against it:

==========================================  ======
the same tax number                            100
the same web domain and the same name           95
the same name in the same country               90
the same web domain and a similar name          80
the same name, a country unknown                70
the same web domain                             65
==========================================  ======
another country                                -30
another tax number                             -30
another web domain (names alone agree)         -15
another city (names alone agree)               -10

So a customer of one name and domain is adopted, its branch in another country is asked about, and a namesake elsewhere
is another customer. Facts that one side does not know speak neither for nor against.
"""

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from urllib.parse import urlsplit

SIMILAR = 0.75


def _lines(name):
    """Return the lines of a text file beside this one."""
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


_SHARED_DOMAINS = _lines("shared_domains.txt")
# Letters that do not come apart into a plain letter and an accent.
_LETTERS = str.maketrans({"ø": "o", "œ": "oe", "æ": "ae", "đ": "d", "ð": "d", "ł": "l", "þ": "th", "ı": "i"})
# Written without umlauts: Moebel, Mueller, Kaefer.
_UMLAUTS = re.compile("([aou])e")
_DOTS = re.compile(r"[.'’`´]")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Z0-9]")
_SIGNS = re.compile(r"[\W_]+")
_FILLERS = {"and", "und", "et", "y", "en", "the"}
# Legal forms: those that may end a name, and those that may begin it.
_FORMS = _lines("legal_forms.txt")
_LEADING = {"eurl", "gmbh", "ooo", "oao", "pt", "sarl", "sas", "sasu", "selarl", "uab"}
_LONGEST_FORM = 5  # words


@dataclass(frozen=True, slots=True)
class Party:
    """What a match looks at; empty texts are unknown.

    :param key: :func:`name_key` of the name
    :param domain: :func:`domain_of` its website or e-mail address
    :param vat: tax number after :func:`normalise_vat`
    :param country: code, or whatever is equal for one country
    :param city: as written
    """

    key: str
    domain: str = ""
    vat: str = ""
    country: str = ""
    city: str = ""


def name_key(name):
    """Return what is left of a company's name without case, accents, punctuation, blanks and legal form.

    ``Birkenfeld Möbel AG`` and ``BIRKENFELD MOEBEL`` are both ``birkenfeldmobel``. Empty for an empty name.
    """
    words = _words(name)
    return "".join(_without_form([word for word in words if word not in _FILLERS] or words))


def domain_of(website, email):
    """Return the host of ``website``, else the domain of ``email``; empty when it is shared by many or there is none.

    Sub-domains other than ``www`` are kept: they may be another firm's.
    """
    for host in (_host(website), _mail_host(email)):
        if host and not any(host == shared or host.endswith(f".{shared}") for shared in _SHARED_DOMAINS):
            return host
    return ""


def score(one, other):
    """Return how sure it is, 0 to 100, that the two :class:`Party` are the same customer (see the module)."""
    if one.vat and one.vat == other.vat:
        return 100
    same_name = bool(one.key) and one.key == other.key
    same_country = bool(one.country) and one.country == other.country
    if one.domain and one.domain == other.domain:
        result = 95 if same_name else 80 if _similar(one.key, other.key) else 65
    elif same_name:
        result = 90 if same_country else 70
        result -= 15 * _differ(one.domain, other.domain)
        result -= 10 * _differ(city_key(one.city), city_key(other.city))
    else:
        return 0
    result -= 30 * _differ(one.country, other.country)
    result -= 30 * _differ(one.vat, other.vat)
    return max(result, 0)


# === TEXTS === #
def normalise_vat(vat):
    """Return ``vat`` in capitals without blanks and signs (``DE 123.456`` -> ``DE123456``)."""
    return _NOT_ALPHANUMERIC.sub("", (vat or "").upper())


def _words(text):
    text = unicodedata.normalize("NFKD", (text or "").casefold()).translate(_LETTERS)
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return _UMLAUTS.sub(r"\1", _SIGNS.sub(" ", _DOTS.sub("", text))).split()


def city_key(city):
    return "".join(_words(city))


def _without_form(words):
    """Cut legal forms off both ends; one word always stays."""
    for count in range(min(_LONGEST_FORM, len(words) - 1), 0, -1):
        if "".join(words[-count:]) in _FORMS:
            return _without_form(words[:-count])
        if "".join(words[:count]) in _LEADING:
            return _without_form(words[count:])
    return words


def _similar(key, other):
    if not key or not other:
        return False
    short, long = sorted((key, other), key=len)
    return (len(short) > 3 and long.startswith(short)) or SequenceMatcher(None, key, other).ratio() >= SIMILAR


def _differ(one, other):
    return bool(one) and bool(other) and one != other


# === ADDRESSES === #
def _host(website):
    text = (website or "").strip().casefold()
    if not text:
        return ""
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:  # not an address: it says nothing
        return ""
    return _plain_host(host)


def _mail_host(email):
    _name, sign, host = (email or "").strip().casefold().rstrip(">").rpartition("@")
    return _plain_host(host) if sign else ""


def _plain_host(host):
    host = host.strip(". ").removeprefix("www.")
    try:
        host = host.encode("idna").decode()
    except UnicodeError:  # no name that the net knows
        return ""
    return host if "." in host else ""
