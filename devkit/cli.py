"""The command line of `./dev`."""

import argparse
import signal
import sys

from .say import Problem


def parser():
    top = argparse.ArgumentParser(
        prog="./dev", description="PSA Hub for developers: every command installs what it needs.",
        epilog="Folders and servers: ODOO_HOME (an Odoo 19 to use), PSA_HUB_CACHE (where fetched things live), "
               "PG* (a PostgreSQL to use). Without them dev fetches and starts its own.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    test = commands.add_parser("test", help="run lint and all tests", description="Run lint, pure tests, tests in Odoo "
                               "and browser tours. Other options and paths go to pytest: ./dev test -k webhook")
    test.add_argument("--long", action="store_true", help="also the tests that take minutes")
    test.add_argument("--shards", type=int, default=0, metavar="N",
                      help="processes for the tests in Odoo (default: one per core, at most 4)")

    commands.add_parser("lint", help="check the style of the source, without running it")
    return top


def main(arguments):
    """Run one command and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options, rest = parser().parse_known_args(arguments)
    if rest and options.command != "test":
        parser().error(f"unknown argument: {' '.join(rest)}")
    try:
        return COMMANDS[options.command](options, rest)
    except Problem as problem:
        print(f"dev: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dev: interrupted", file=sys.stderr)
        return 130


def test(options, rest):
    from .tests import run_tests

    return run_tests(rest, long=options.long, shards=options.shards)


def lint(_options, _rest):
    from .lint import lint_checks

    failed = False
    for name, findings in lint_checks():
        print(f"{name}: {'failed' if findings else 'passed'}" + (f"\n{findings}" if findings else ""))
        failed = failed or bool(findings)
    return int(failed)


COMMANDS = {"test": test, "lint": lint}
