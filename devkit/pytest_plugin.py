"""Pytest plugin: the classes that no other process took, the long tests on request, a report for the closing line."""

import functools
import gc
import inspect
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from .sharing import Claims, longest_first


def pytest_addoption(parser):
    group = parser.getgroup("dev", "run by ./dev test")
    group.addoption("--long", action="store_true", help="also run the tests marked `long`")
    group.addoption("--claims", help="folder where processes agree on who runs which class; without it run all")
    group.addoption("--durations-file", help="JSON with the seconds each class took lately")
    group.addoption("--report-file", help="where to write the outcome as JSON")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; runs with --long")
    config.pluginmanager.register(Report(config), "dev-report")


def is_long(item):
    """Marked with pytest's `long` mark or Odoo's `@tagged('long')`."""
    return item.get_closest_marker("long") or "long" in getattr(item.cls, "test_tags", ())


def group_of(item):
    """The class of a test (its module when it has none): what shares a set-up, and so stays together."""
    parts = item.nodeid.split("::")
    return "::".join(parts[:-1] if len(parts) > 1 else parts)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if is_long(item)])
        items[:] = [item for item in items if not is_long(item)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the classes that this process gets, longest first; without `--claims` pytest's own loop runs everything."""
    config = session.config
    if not config.getoption("--claims") or config.option.collectonly or session.testsfailed:
        return None
    claims = Claims(config.getoption("--claims"))
    groups = defaultdict(list)
    for item in session.items:
        groups[group_of(item)].append(item)
    path = Path(config.getoption("--durations-file") or "")
    durations = json.loads(path.read_text()) if path.is_file() else {}
    for name in longest_first({name: len(items) for name, items in groups.items()}, durations):
        if claims.take(name):
            run_group(session, groups[name], elsewhere(name, groups))
    return True


def elsewhere(name, groups):
    """A test outside of a group, in another file if there is one.

    What pytest tears down after a test depends on where the next one is, and which class comes next is not known
    before this one has ended: so a class is torn down together with its file, but not what all files share.
    """
    others = [other for other in groups if other != name]
    others.sort(key=lambda other: other.split("::")[0] == name.split("::")[0])
    return groups[others[0]][0] if others else None


def run_group(session, items, after):
    """Run the tests of one class; `after` says what stays set up, see `elsewhere`."""
    for item, following in zip(items, [*items[1:], after], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)


def quick_charts():
    """A new company's chart makes Odoo look through the Python modules of all countries, every time anew; they do not
    change while tests run, so what is in them is remembered."""
    ir_module = sys.modules.get("odoo.addons.account.models.ir_module")
    if ir_module:
        ir_module.getmembers = functools.cache(inspect.getmembers)


class Report:
    """Counts outcomes and times; a test that fails in set-up or tear-down is one failure."""

    def __init__(self, config):
        self.config = config
        self.frozen = False
        self.chosen = []
        self.outcomes = {}
        self.skips = {}
        self.seconds = defaultdict(float)

    def pytest_collection_finish(self, session):
        if not self.config.option.collectonly:
            self.chosen = [item.nodeid for item in session.items]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self):
        """What the first set-up has loaded stays: keep it, and keep the garbage collector from walking through it."""
        if not self.frozen:
            self.frozen = True
            quick_charts()
            gc.collect()
            gc.freeze()
            gc.set_threshold(20_000, 20, 50)

    def pytest_runtest_logreport(self, report):
        test = report.nodeid
        if not hasattr(report, "context"):  # the time of a subtest is part of its test's
            self.seconds["::".join(test.split("::")[:-1])] += report.duration
        if report.failed:
            self.outcomes[test] = "failed"
        elif report.skipped:
            if hasattr(report, "wasxfail"):
                self.outcomes.setdefault(test, "passed")
            else:
                self.outcomes.setdefault(test, "skipped")
                self.skips[test] = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        elif report.when == "call":
            self.outcomes.setdefault(test, "passed")

    def pytest_collectreport(self, report):
        if report.failed:
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped:
            self.outcomes[report.nodeid] = "skipped"
            self.skips[report.nodeid] = str(report.longrepr[2])

    def pytest_sessionfinish(self):
        path = self.config.getoption("--report-file")
        if path:
            counts = Counter(self.outcomes.values())
            Path(path).write_text(json.dumps({
                "passed": counts["passed"], "failed": counts["failed"], "skipped": counts["skipped"],
                "skips": self.skips, "seconds": self.seconds, "chosen": self.chosen, "run": sorted(self.outcomes),
                "failures": sorted(test for test, outcome in self.outcomes.items() if outcome == "failed"),
            }))
