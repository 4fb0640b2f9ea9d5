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


def run_sql(server, statements, database="postgres"):
    """Run statements one after the other, each committed by itself.

    :param server: devkit.postgres.Server
    :param statements: list of (SQL text with %s, list of values)
    :return: one list of rows per statement
    :raise Problem: with PostgreSQL's own message
    """
    with SqlSession(server, database) as session:
        return session.run(statements)


class SqlSession:
    """A connection to one database, kept open for many questions."""

    def __init__(self, server, database):
        self.server = server
        self.database = database

    def __enter__(self):
        from .python_env import python_env

        self.process = subprocess.Popen(
            [str(python_env()), str(Path(__file__).resolve()), self.database], env=self.server.environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_error):
        self.process.communicate()

    def run(self, statements):
        """Run statements as `run_sql` does."""
        try:
            self.process.stdin.write(json.dumps(statements) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise Problem(f"PostgreSQL refused: {self.process.stderr.read().strip()}")
        return json.loads(answer)


def quoted(name):
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    """A text as an SQL literal, for statements that take no parameters."""
    if "\\" in text:
        raise ValueError("a backslash has no place here")
    return "'" + text.replace("'", "''") + "'"


def main():
    """Child process: each line of standard input holds statements as JSON, each line of the output their rows."""
    import psycopg2

    try:
        connection = psycopg2.connect(dbname=sys.argv[1], connect_timeout=CONNECT_SECONDS)
        connection.autocommit = True
        cursor = connection.cursor()
        for line in sys.stdin:
            results = []
            for statement, values in json.loads(line):
                cursor.execute(statement, values or None)
                results.append(cursor.fetchall() if cursor.description else [])
            print(json.dumps(results, default=str), flush=True)
    except psycopg2.Error as error:
        sys.exit(str(error))


if __name__ == "__main__":
    sys.path.pop(0)  # this folder's module names must not hide the standard library's
    main()
