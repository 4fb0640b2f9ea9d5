"""Run SQL statements through the environment's psycopg2, so that no client programs are needed on the machine."""

import json
import subprocess
import sys
from pathlib import Path

try:
    from .say import Problem
except ImportError:  # run as a program by the environment's Python
    Problem = RuntimeError

CONNECT_SECONDS = 10


def run_sql(server, statements, database="postgres", timeout=600):
    """Run statements one after the other, each committed by itself.

    :param server: devkit.postgres.Server
    :param statements: list of (SQL text with %s, list of values)
    :return: one list of rows per statement
    :raise Problem: with PostgreSQL's own message
    """
    from .python_env import python_env

    done = subprocess.run(
        [str(python_env()), str(Path(__file__).resolve())],
        input=json.dumps({"database": database, "statements": statements}),
        env=server.environment(), capture_output=True, text=True, timeout=timeout, check=False,
    )
    if done.returncode:
        raise Problem(f"PostgreSQL refused: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout)


def quoted(name):
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    """A text as an SQL literal, for statements that take no parameters."""
    if "\\" in text:
        raise ValueError("a backslash has no place here")
    return "'" + text.replace("'", "''") + "'"


def main():
    """Child process: the request is JSON on standard input, the rows are JSON on standard output."""
    import psycopg2

    request = json.load(sys.stdin)
    results = []
    try:
        connection = psycopg2.connect(dbname=request["database"], connect_timeout=CONNECT_SECONDS)
        connection.autocommit = True
        cursor = connection.cursor()
        for statement, values in request["statements"]:
            cursor.execute(statement, values or None)
            results.append(cursor.fetchall() if cursor.description else [])
    except psycopg2.Error as error:
        sys.exit(str(error))
    json.dump(results, sys.stdout, default=str)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder's module names must not hide the standard library's
    main()
