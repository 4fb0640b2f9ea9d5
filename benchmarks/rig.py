"""Where the benchmarks run: one PostgreSQL with durable commits, one Odoo, two databases from one template.

The hub and its rival never run at the same time; rounds are interleaved so that both see the same machine.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from devkit import database, run_odoo
from devkit.odoo_link import addons_link
from devkit.odoo_source import odoo_source
from devkit.paths import clone_folder, log_folder
from devkit.say import Problem, say, step

HERE = Path(__file__).resolve().parent
MARK = "BENCH "


@dataclass
class Figure:
    """One line of the result. ``bar`` is what it must reach; ``higher`` says on which side of it good lies."""

    name: str
    value: float
    unit: str
    bar: "float | None" = None
    higher: bool = True

    def row(self):
        """The row of ``--json``: name, value, unit, bar, ok."""
        values = asdict(self)
        higher = values.pop("higher")
        if self.bar is None:
            values["ok"] = True
        else:
            values["ok"] = self.value >= self.bar if higher else self.value <= self.bar
        values["value"] = round(self.value, 3)
        return values


class BenchRun(run_odoo.OdooRun):
    """Odoo with the benchmark's own add-ons beside the hub's; ``extra`` are folders for PYTHONPATH."""

    extra = ()
    variables = None

    def config(self):
        folders = [*odoo_source().addons, addons_link(), HERE / "addons"]
        for folder in self.extra:
            folders.append(Path(folder) / "odoo" / "addons")
        self.options = {"addons_path": ",".join(map(str, folders))} | (self.options or {})
        return super().config()

    def environment(self):
        environment = super().environment() | (self.variables or {})
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], *map(str, self.extra)])
        return environment


class Rig:
    """Databases and servers of one benchmark run."""

    def __init__(self, server, rival_packages):
        self.server = server
        self.rival_packages = rival_packages
        self.records = {}

    def make(self, purpose, modules, template, rival=False):
        """A database named after ``purpose`` with ``modules`` installed; kept for the rest of the run."""
        name = database.fresh_copy(self.server, f"bench_{purpose}", template)
        run = self.run(name, purpose, rival=rival)
        if modules:
            with step(f"installing {modules} for the benchmark"):
                run.call("", "-i", modules, "--stop-after-init", "--no-http", log=self.log(f"{purpose}_install"),
                         advice="The benchmark's add-ons could not be installed.")
        return name

    def copy(self, name, purpose):
        """A copy of a database of this run."""
        target = database.database_name(f"bench_{purpose}")
        database.drop(self.server, target, database.clone_data())
        database.copy(self.server, name, database.clone_data(), target, database.clone_data())
        return target

    def drop(self, name):
        database.drop(self.server, name, database.clone_data())

    def run(self, name, purpose, rival=False, **options):
        run = BenchRun(self.server, name, f"bench_{purpose}", database.clone_data(), **options)
        if rival:
            run.extra = (self.rival_packages,)
        return run

    def log(self, purpose):
        return log_folder() / f"bench_{purpose}.log"

    def script(self, name, script, rival=False, **variables):
        """Run ``benchmarks/scripts/<script>.py`` in ``odoo shell``.

        :return: dict of what it printed on lines that begin with ``BENCH`` and hold JSON objects, merged
        """
        run = self.run(name, script, rival=rival)
        text = run.run_script(
            HERE / "scripts" / f"{script}.py", log=self.log(script),
            advice=f"The benchmark script {script} failed.", timeout=3600,
            variables={f"BENCH_{key.upper()}": str(value) for key, value in variables.items()})
        result = {}
        for line in text.splitlines():
            if MARK in line:
                result |= json.loads(line.split(MARK, 1)[1])
        return result

    @contextmanager
    def serving(self, name, purpose, *arguments, rival=False, variables=None, cron_threads=0, workers=0):
        """Run a server on a database while the block runs; yields a :class:`Serving`."""
        port = run_odoo.free_port()
        run = self.run(name, purpose, rival=rival, port=port, cron_threads=cron_threads,
                       options={"workers": workers, "log_level": "warn"})
        run.variables = variables
        log = self.log(f"{purpose}_server")
        with log.open("w") as output:
            process = subprocess.Popen(run.command("", *arguments), stdout=output, stderr=subprocess.STDOUT,
                                       env=run.environment(), start_new_session=True)
        serving = Serving(process, f"http://127.0.0.1:{port}", log)
        try:
            serving.wait()
            # what was queued before the server ran woke nobody: do not wait for the workers' next look
            self.query("postgres", "SELECT pg_notify('cron_trigger', %s)", name)
            yield serving
        finally:
            serving.stop()

    def query(self, name, statement, *values):
        """Rows of one SQL statement, read with the driver that ``dev`` uses."""
        from devkit.sql import run_sql
        return run_sql(self.server, [(statement, list(values))], database=name)[0]

    def wait_until(self, name, statement, wanted, timeout, every=0.25):
        """Seconds until a one-value query gives ``wanted``. :raise Problem: it does not in time"""
        start = time.monotonic()
        while True:
            value = self.query(name, statement)[0][0]
            if value == wanted:
                return time.monotonic() - start
            if time.monotonic() - start > timeout:
                raise Problem(f"After {timeout} s this still gives {value} instead of {wanted}: {statement}")
            time.sleep(every)

    def record(self, *figures):
        for figure in figures:
            row = figure.row()
            self.records[figure.name] = row
            bar = "" if row["bar"] is None else f"  (bar {row['bar']}, {'ok' if row['ok'] else 'MISSED'})"
            say(f"  {figure.name}: {row['value']:g} {row['unit']}{bar}")


@dataclass
class Serving:
    """A running server."""

    process: subprocess.Popen
    url: str
    log: Path

    def wait(self, timeout=120):
        start = time.monotonic()
        while time.monotonic() - start < timeout:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/web/login", timeout=20).read()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
        raise Problem(f"The benchmark's Odoo server did not start; the end of {self.log}:\n{tail}")

    def children(self):
        """Process ids of the workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(15)


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def work_folder():
    folder = clone_folder() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
