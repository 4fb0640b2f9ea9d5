"""``python -m sandbox --port N``: serve a stand-in until interrupted."""

import argparse
import importlib
import json
import signal
import sys
import threading

from .clock import Clock
from .server import Sandbox, dump


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--vendor", default="salesforce")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--scale", choices=("full", "small", "tiny"), default="full")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records", type=int, default=0, help="add this many plain accounts, for load")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="more",
                        help="a setting of the vendor's own; the value is read as JSON when it is")
    parser.add_argument("--manifest", action="store_true", help="print the manifest and leave")
    options = parser.parse_args(arguments)
    settings = {"scale": options.scale, "seed": options.seed, "records": options.records}
    settings.update(_setting(text) for text in options.more)
    if options.manifest:
        app = importlib.import_module(f"{__package__}.{options.vendor}").create_app(Clock(), "", **settings)
        print(dump(app.manifest()))
        return 0
    sandbox = Sandbox(options.vendor, options.host, options.port, **settings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_ignored: stop.set())
    print(f"ready {sandbox.url}", flush=True)
    stop.wait()
    sandbox.stop()
    return 0


def _setting(text):
    name, _equals, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
