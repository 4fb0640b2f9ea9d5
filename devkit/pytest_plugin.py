"""Pytest plugin: one share of the tests, the long ones on request, and a report for the closing line."""

import gc
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from .sharing import share_out


def pytest_addoption(parser):
    group = parser.getgroup("dev", "run by ./dev test")
    group.addoption("--long", action="store_true", help="also run the tests marked `long`")
    group.addoption("--share", default="0/1", help="which share of the test classes to run, as index/count")
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
    keep = [item for item in items if config.getoption("--long") or not is_long(item)]
    index, count = map(int, config.getoption("--share").split("/"))
    durations = {}
    path = config.getoption("--durations-file")
    if path and Path(path).is_file():
        durations = json.loads(Path(path).read_text())
    groups = dict.fromkeys(map(group_of, keep))
    mine = share_out(groups, durations, count)[index]
    kept = [item for item in keep if group_of(item) in mine]
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


class Report:
    """Counts outcomes and times; a test that fails in set-up or tear-down is one failure."""

    def __init__(self, config):
        self.config = config
        self.frozen = False
        self.outcomes = {}
        self.skips = {}
        self.seconds = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_call(self):
        """What the first set-up has loaded stays: keep the garbage collector from walking through it again."""
        if not self.frozen:
            self.frozen = True
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
                "skips": self.skips, "seconds": self.seconds,
                "failures": sorted(test for test, outcome in self.outcomes.items() if outcome == "failed"),
            }))
