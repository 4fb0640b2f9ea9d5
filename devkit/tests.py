"""`./dev test`: lint, pure tests and the tests in Odoo side by side, and one closing line."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from . import child
from .browser import browser
from .database import addon_template, build_assets, clone_data, fresh_copy, install_complaints
from .lint import lint_checks
from .odoo_link import addons_link
from .odoo_source import odoo_source
from .paths import ADDON, REPO, cache, clone_folder, clone_id, lock
from .postgres import server
from .python_env import python_env
from .run_odoo import OdooRun, cpu_count
from .say import Problem, say
from .sharing import Claims

SELECTING = ("-k", "-m", "--lf", "--last-failed", "--ff", "--deselect", "--pdb", "--collect-only", "--co")
INTERACTIVE = ("-s", "--pdb", "--trace", "--capture=no")
NO_TESTS = 5  # pytest's exit code
_printing = threading.Lock()


@dataclass
class Outcome:
    """What one part of the run found; parts add up."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = field(default_factory=list)
    chosen: set = field(default_factory=set)
    run: set = field(default_factory=set)

    def __add__(self, other):
        return Outcome(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped,
                       self.notes + other.notes, self.chosen | other.chosen, self.run | other.run)

    def forgotten(self):
        """A failure when a test was chosen and no process ran it: sharing out must lose nothing."""
        left = sorted(self.chosen - self.run)
        if not left or self.failed:  # a run that stopped early says so itself
            return Outcome()
        return Outcome(failed=1, notes=[f"{len(left)} tests were chosen and not run, such as:", *left[:10]])


@dataclass
class Selection:
    """What the command line asks for: pytest options, and paths sorted by what runs them."""

    options: list
    pure: list
    odoo: list
    everything: bool

    @classmethod
    def parse(cls, arguments):
        options, pure, odoo = [], [], []
        for argument in arguments:
            path, *rest = argument.split("::")
            # The word after -k is an expression, and can be too long for the name of a file.
            is_value = bool(options) and options[-1] in ("-k", "-m", "-p", "-o")
            found = None if is_value or argument.startswith("-") else next(
                (base / path for base in (Path.cwd(), REPO) if path and (base / path).exists()), None)
            if found is None:
                options.append(argument)
                continue
            found = found.resolve()
            if not found.is_relative_to(REPO):
                raise Problem(f"{argument} is outside this checkout: name a file or folder below tests.")
            inside = found.relative_to(REPO)
            is_pure = inside.is_relative_to("tests/pure")
            (pure if is_pure else odoo).append("::".join([str(inside), *rest]))
            if inside in (Path("tests"), Path(".")):
                pure.append("tests/pure")
        selecting = any(option.split("=")[0] in SELECTING or option.startswith(("-k", "-m")) for option in options)
        everything = not (pure or odoo or selecting)
        if not (pure or odoo):
            pure, odoo = ["tests/pure"], ["tests"]
        return cls(options, pure, odoo, everything)


def run_tests(arguments, long=False, shards=0):
    """Run what is asked for.

    :param arguments: pytest options and paths
    :param long: also the tests marked `long`
    :param shards: processes for the tests in Odoo; 0 = one per core
    :return: exit code
    """
    selection = Selection.parse(arguments)
    if long:
        selection.options.append("--long")
    interactive = any(option in INTERACTIVE for option in selection.options)
    if interactive:
        shards = 1
    with lock(f"test-{clone_id()}", "it tests this checkout"), ThreadPoolExecutor(4) as pool:
        try:
            total = run_parts(selection, shards or min(cpu_count(), 4), interactive, pool)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            child.stop_all()
            raise
    return close(total + total.forgotten(), selection)


def run_parts(selection, shards, interactive, pool):
    """Run lint, pure tests and the tests in Odoo at the same time, each as soon as what it needs is there."""
    fetched = [pool.submit(odoo_source), pool.submit(browser)] if selection.odoo else []
    python_env()
    early = []
    if selection.everything:
        early.append(pool.submit(run_lint))
    if selection.pure:
        early.append(pool.submit(run_pure, selection))
    if interactive:
        for part in early:
            part.result()
    total = Outcome()
    if selection.odoo:
        for part in fetched:
            part.result()
        total += run_in_odoo(selection, shards, interactive)
    for part in early:
        total += part.result()
    return total


def close(total, selection):
    """Print what went wrong, then the closing line; a skipped test fails the run."""
    for note in total.notes:
        print(note)
    if total.skipped:
        print("A skipped test fails the run: a test that did not run has proved nothing.")
    if not (total.passed or total.failed or total.skipped):
        print("No test matched: " + " ".join(selection.options + selection.pure + selection.odoo))
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 0 if total.passed and not (total.failed or total.skipped) else 1


def run_lint():
    outcome = Outcome()
    for name, findings in lint_checks():
        if findings:
            outcome += Outcome(failed=1, notes=[f"lint: {name} failed\n{findings}"])
        else:
            outcome += Outcome(passed=1)
    say(f"lint: {outcome.passed} checks passed, {outcome.failed} failed")
    return outcome


def run_pure(selection):
    return run_pytest("pure", [
        "-c", REPO / "tests/pure/pytest.ini", "--rootdir", REPO, "-p", "no:odoo", *selection.options, *selection.pure,
    ], environment=None, folder=REPO)


def run_in_odoo(selection, shards, interactive):
    """Install the add-on, then run its tests in `shards` processes, each with a database of its own."""
    running = server()
    template = addon_template(running)
    if selection.everything or any("tour" in argument for argument in selection.options + selection.odoo):
        build_assets(running, template)
    found = install_complaints(template)
    # An installation without a complaint in the log is a test of its own
    installed = Outcome(failed=1, notes=[f"the installation logs complaints:\n{found}"]) if found else Outcome(passed=1)
    addon = addons_link() / ADDON
    paths = [addon / path for path in selection.odoo]

    claims = Claims(clone_folder() / "claims")
    claims.reset()
    databases = [fresh_copy(running, f"test{index}", template) for index in range(shards)]

    def shard(index):
        run = OdooRun(running, databases[index], f"test{index}", clone_data())
        return run_pytest(f"odoo {index + 1}", [
            "-c", addon / "pyproject.toml", "--rootdir", addon, "--ignore", addon / "tests/pure",
            "--odoo-config", run.config(), "--odoo-database", run.database, "--odoo-http",
            "--claims", claims.folder, *selection.options, *paths,
        ], environment=run.environment(), folder=addon, interactive=interactive)

    with ThreadPoolExecutor(shards) as pool:
        try:
            outcomes = list(pool.map(shard, range(shards)))
        except BaseException:
            child.stop_all()  # leaving the block waits for the threads, and they wait for their processes
            raise
    return sum(outcomes, installed)


def run_pytest(name, arguments, *, environment, folder, interactive=False):
    """Run pytest and turn its report into an outcome; its lines are shown as they come."""
    report = clone_folder() / f"report-{name.replace(' ', '-')}.json"
    report.unlink(missing_ok=True)
    durations = cache() / "durations.json"
    command = [
        python_env(), "-m", "pytest", "-p", "devkit.pytest_plugin", "--report-file", report,
        "--durations-file", durations, "-o", f"cache_dir={clone_folder() / 'pytest' / name.replace(' ', '-')}",
        "-q", "--tb=short", "--no-header", *arguments,
    ]
    if interactive:
        code = subprocess.run(list(map(str, command)), cwd=folder, env=environment, check=False).returncode
    else:
        process = child.start(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        for line in process.stdout:
            with _printing:
                print(f"{name} | {line}", end="", flush=True)
        code = process.wait()
        child.stop(process)
    if not report.is_file():
        return Outcome(failed=1, notes=[f"{name}: pytest ended with {code} before it could report"])
    found = json.loads(report.read_text())
    remember_durations(durations, found["seconds"])
    notes = [f"failed: {test}" for test in found["failures"]]
    notes += [f"skipped: {test}: {why}" for test, why in found["skips"].items()]
    if code not in (0, 1, NO_TESTS):
        notes.append(f"{name}: pytest ended with {code}")
        found["failed"] = max(found["failed"], 1)
    elif code == 1:
        found["failed"] = max(found["failed"], 1)
    return Outcome(found["passed"], found["failed"], found["skipped"], notes, set(found["chosen"]), set(found["run"]))


def remember_durations(path, seconds):
    """Keep the seconds of each class: the next run starts the longest first."""
    if not seconds:
        return
    with lock("durations"):
        known = json.loads(path.read_text()) if path.is_file() else {}
        known |= {name: round(value, 2) for name, value in seconds.items()}
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(known, indent=0, sort_keys=True))
        scratch.replace(path)


