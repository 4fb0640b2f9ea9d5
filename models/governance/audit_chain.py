"""How an audit row is hashed. Plain Python, the same in ``docs/verify_audit.py``; see ``docs/governance.md``.

A row has a head (sequence, moment, who, what, on which record) and a body (``before``, ``after``, ``reason``). The body
is taken apart into its leaves, each with a path. A leaf counts in the hash by a salted digest of its own, so that the
value of a person can be taken out, and its salt destroyed, while everything else of the row still proves itself.
"""

import hashlib
import hmac
import json

#: What stands for a value that was erased.
ERASED = "[erased]"
GENESIS = "0" * 64


def canonical(value):
    """Return ``value`` as the one text that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def leaves(body):
    """Return ``{path: value}`` of what ``body`` (dict of JSON values) is made of; empty lists and dicts are leaves.

    A path is the JSON text of the list of keys and places that lead to the value.
    """
    found, waiting = {}, [((), body)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and (value or not path):
            waiting += [((*path, key), inner) for key, inner in value.items()]
        elif isinstance(value, list) and value:
            waiting += [((*path, place), inner) for place, inner in enumerate(value)]
        else:
            found[canonical(list(path))] = value
    return found


def leaf_salt(salt, path):
    """Return the salt of one leaf, which says nothing about those of the others."""
    return hmac.new(bytes.fromhex(salt), path.encode(), hashlib.sha256).hexdigest()


def leaf_digest(salt, path, value):
    return hmac.new(bytes.fromhex(salt), canonical([path, value]).encode(), hashlib.sha256).hexdigest()


def digests(body, salt, erased=None):
    """Return ``{path: digest}`` of the leaves of ``body``.

    :param salt: of the row, hex; not needed once something was erased
    :param erased: what an erasure left: ``{"salts": {path: hex}, "digests": {path: digest of an erased value}}``
    :raise ValueError: a value stands where an erased one was, or a value that no salt is kept for
    """
    result = {}
    for path, value in leaves(body).items():
        if not erased:
            result[path] = leaf_digest(leaf_salt(salt, path), path, value)
        elif path in erased["salts"]:
            result[path] = leaf_digest(erased["salts"][path], path, value)
        elif path in erased["digests"] and value == ERASED:
            result[path] = erased["digests"][path]
        else:
            raise ValueError(path)
    return result


def row_hash(former, head, body, salt, erased=None):
    """Return the hash of a row.

    :param former: hash of the row before it, :data:`GENESIS` for the first one
    :param head: list: sequence, company id, moment (``YYYY-MM-DD HH:MM:SS``), user id, event, record type, record id
    :param body: dict: ``before``, ``after``, ``reason``
    """
    content = canonical([former, head, sorted(digests(body, salt, erased).items())])
    return hashlib.sha256(content.encode()).hexdigest()


def erase(body, salt, erased, is_personal):
    """Take the personal leaves out of a body.

    :param is_personal: function of a text leaf
    :return: ``(new body, new erased)``, or None when nothing in it is personal
    """
    known = digests(body, salt, erased)
    salts = dict(erased["salts"]) if erased else {path: leaf_salt(salt, path) for path in known}
    gone = dict(erased["digests"]) if erased else {}
    hit = {path for path, value in leaves(body).items()
           if isinstance(value, str) and value != ERASED and is_personal(value)}
    if not hit:
        return None
    for path in hit:
        gone[path] = known[path]
        del salts[path]

    def rebuilt(path, value):
        if isinstance(value, dict):
            return {key: rebuilt((*path, key), inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [rebuilt((*path, place), inner) for place, inner in enumerate(value)]
        return ERASED if canonical(list(path)) in hit else value

    return rebuilt((), body), {"salts": salts, "digests": gone}
