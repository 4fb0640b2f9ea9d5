#!/usr/bin/env python3
"""Check an export of PSA Hub's audit trail (JSON or CSV). Needs Python 3 and nothing else, no Odoo, no database.

    python3 verify_audit.py audit.json [HASH]

HASH is the hash of the last row as it was noted earlier, elsewhere: with it, rows cut off at the end are found too.
"""

import csv
import hashlib
import hmac
import json
import sys


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def leaves(value, path=()):
    if isinstance(value, dict) and (value or not path):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield text(list(path)), value


def keyed(salt, content):
    return hmac.new(bytes.fromhex(salt), content.encode(), hashlib.sha256).hexdigest()


def digest(row, path, value):
    erased = row["erased"]
    if not erased:
        return keyed(keyed(row["salt"], path), text([path, value]))
    if path in erased["salts"]:
        return keyed(erased["salts"][path], text([path, value]))
    if value != "[erased]":
        raise ValueError(f"a value stands where one was erased: {path}")
    return erased["digests"][path]


def seal(row):
    body = {name: row[name] for name in ("before", "after", "reason")}
    head = [row[name] for name in ("sequence", "company_id", "moment", "user_id", "event", "res_model", "res_id")]
    digests = sorted([path, digest(row, path, value)] for path, value in leaves(body))
    return hashlib.sha256(text([row["former"], head, digests]).encode()).hexdigest()


def main(name, wanted=None):
    with open(name, encoding="utf-8", newline="") as file:
        if name.endswith(".csv"):
            csv.field_size_limit(2**31 - 1)
            rows = [{key: json.loads(value) for key, value in row.items()} for row in csv.DictReader(file)]
        else:
            rows = json.load(file)
    problems, former = [], None
    for row in rows:
        if former and (row["sequence"] != former["sequence"] + 1 or row["former"] != former["seal"]):
            problems.append(f"before no. {row['sequence']}: rows are missing, or the chain is broken")
        if row["sequence"] == 1 and row["former"] != "0" * 64:
            problems.append("no. 1 is not the first row")
        try:
            intact = seal(row) == row["seal"]
        except (KeyError, ValueError, TypeError):
            intact = False
        if not intact:
            problems.append(f"no. {row['sequence']} was changed")
        former = row
    if wanted and not any(row["seal"] == wanted for row in rows):
        problems.append("the hash noted earlier is not in the file: rows were cut off or replaced")
    last = former["seal"] if former else "none"
    sys.stdout.write(("\n".join(problems) or f"{len(rows)} rows, all intact; last hash {last}") + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
