"""Child process of the benchmarks: polls a count in PostgreSQL until it reaches a number.

Both rivals are timed by this same clock: the time from the first row seen done to the last.
Standard input: JSON with ``database``, ``statement`` (one number), ``wanted``, ``timeout``.
Standard output: JSON with ``seconds``, ``rows`` counted within them, and ``rate``.
"""

import json
import sys
import time


def main():
    import psycopg2

    request = json.load(sys.stdin)
    connection = psycopg2.connect(dbname=request["database"], connect_timeout=10)
    connection.autocommit = True
    cursor = connection.cursor()
    first = None
    deadline = time.monotonic() + request["timeout"]
    while True:
        cursor.execute(request["statement"])
        count = cursor.fetchone()[0]
        now = time.monotonic()
        if count and first is None:
            first = (now, count)
        if count >= request["wanted"]:
            break
        if now > deadline:
            sys.exit(f"only {count} of {request['wanted']} rows after {request['timeout']} s")
        time.sleep(0.05)
    seconds = max(now - first[0], 0.001)
    rows = count - first[1]
    json.dump({"seconds": seconds, "rows": rows, "rate": rows / seconds}, sys.stdout)


if __name__ == "__main__":
    main()
