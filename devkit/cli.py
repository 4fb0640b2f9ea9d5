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

    demo = commands.add_parser(
        "demo", help="run the main job on the sandbox's data and check it",
        description="Set up a firm, read the vendors' sandbox, bill the quarter, write back; print what "
                    "happened beside what must have happened, then keep serving.")
    demo.add_argument("--once", action="store_true", help="stop after the table")
    demo.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    demo.add_argument("--scale", choices=("full", "small", "tiny"), default="full",
                      help="how much data (default: full, 20,000 timecards)")
    demo.add_argument("--only-studio", action="store_true", help="only the firm on five systems and a folder")
    demo.add_argument("--seed", type=int, default=1, help="other data of the same kind")
    demo.add_argument("--port", type=int, default=0, help="HTTP port (default: 8069, or a free one)")

    test = commands.add_parser("test", help="run lint and all tests", description="Run lint, pure tests, tests in Odoo "
                               "and browser tours. Other options and paths go to pytest: ./dev test -k webhook")
    test.add_argument("--long", action="store_true", help="also the tests that take minutes")
    test.add_argument("--shards", type=int, default=0, metavar="N",
                      help="processes for the tests in Odoo (default: one per core, at most 4)")

    serve = commands.add_parser("serve", help="run Odoo with the add-on", description="Run Odoo on a database that "
                                "stays; the add-on is updated when its files changed. Options after -- go to Odoo.")
    serve.add_argument("--port", type=int, default=0, help="HTTP port (default: 8069, or a free one)")
    serve.add_argument("--cron-threads", type=int, default=2, metavar="N", help="threads for cron jobs (default: 2)")
    serve.add_argument("--fresh", action="store_true", help="start from an empty database")

    shell = commands.add_parser("shell", help="a Python prompt inside Odoo", description="Run `odoo shell`. "
                                "Options after -- go to Odoo.")
    shell.add_argument("--database", choices=("serve", "demo"), default="serve", help="whose database (default: serve)")

    shot = commands.add_parser("shot", help="save a picture of a page", description="Save a page as PNG, logged in; "
                               "uses the server of a running serve or demo, or starts one.")
    shot.add_argument("path", help="below the server's address, such as /odoo/action-psa_hub.action_psa_exception")
    shot.add_argument("-o", "--output", default="shot.png", metavar="FILE", help="PNG to write (default: shot.png)")
    shot.add_argument("--width", type=int, default=1440)
    shot.add_argument("--height", type=int, default=900)
    shot.add_argument("--login", default="admin", help="whose session (default: admin)")
    shot.add_argument("--click", action="append", default=[], metavar="SELECTOR", help="click this first; repeatable")
    shot.add_argument("--wait", default="", metavar="SELECTOR", help="wait for this element")
    shot.add_argument("--dark", action="store_true", help="in dark colours, as a dark theme for Odoo shows the page")

    bench = commands.add_parser("bench", help="measure speed beside the rival's", description="Take the figures of "
                                "benchmarks/README.md side by side with OCA queue_job.")
    bench.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    bench.add_argument("only", nargs="*", metavar="FIGURE", help="take only these (default: all)")

    commands.add_parser("pot", help="write the translation template anew")
    commands.add_parser("matrix", help="write the matrix of vendors and conformance cases anew")

    commands.add_parser("lint", help="check the style of the source, without running it")

    clean = commands.add_parser("clean", help="remove this checkout's databases and files")
    clean.add_argument("--all", action="store_true", help="also what is shared with other checkouts: the whole cache")
    return top


def main(arguments):
    """Run one command and return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    own, extra = arguments, []
    if arguments[:1] != ["test"] and "--" in arguments:
        cut = arguments.index("--")
        own, extra = arguments[:cut], arguments[cut + 1:]
    options, rest = parser().parse_known_args(own)
    if (rest and options.command != "test") or (extra and options.command not in ("serve", "shell")):
        parser().error(f"unknown argument: {' '.join(rest or extra)}")
    try:
        return COMMANDS[options.command](options, rest or extra)
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


def demo(options, _rest):
    from .demo import demo as run

    return run(options.once, options.json, options.scale, options.seed, options.port, options.only_studio)


def serve(options, extra):
    from .serve import serve as run

    return run(options.port, options.cron_threads, options.fresh, extra)


def shell(options, extra):
    from .serve import shell as run

    return run(options.database, extra)


def shot(options, _rest):
    from .shot import shot as run

    return run(options.path, options.output, options.width, options.height, options.login, options.wait, options.click,
               options.dark)


def bench(options, _rest):
    from .bench import bench as run

    return run(options.json, options.only)


def matrix(_options, _rest):
    from .child import start
    from .paths import REPO
    from .python_env import python_env

    return start([python_env(), REPO / "tests/pure/conformance/matrix.py"]).wait()


def pot(_options, _rest):
    from .pot import pot as run

    return run()


def clean(options, _rest):
    from .clean import clean as run

    return run(options.all)


COMMANDS = {"demo": demo, "test": test, "serve": serve, "shell": shell, "shot": shot, "bench": bench, "lint": lint,
            "pot": pot, "matrix": matrix, "clean": clean}
