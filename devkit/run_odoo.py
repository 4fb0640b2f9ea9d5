"""Start Odoo's programs on a database: configuration file, environment, command line."""

import os
import re
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .odoo_link import addons_link, python_path
from .odoo_source import odoo_source
from .paths import clone_folder
from .postgres import Server
from .python_env import python_env
from .say import Problem, run_quietly

LAUNCHER = Path(__file__).resolve().parent / "odoo_launcher.py"


@dataclass
class OdooRun:
    """Odoo on one database of one server.

    `purpose` names the configuration file, `data` is the folder of file stores and sessions.
    """

    server: Server
    database: str
    purpose: str
    data: Path
    port: int = 0
    gevent_port: int = 0
    cron_threads: int = 0
    options: "dict | None" = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def config(self):
        """Write the configuration file and return its path."""
        folder = clone_folder() / "config"
        folder.mkdir(exist_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        values = {
            "addons_path": ",".join(str(path) for path in (*odoo_source().addons, addons_link())),
            "admin_passwd": "admin",
            "data_dir": self.data,
            "db_name": self.database,
            "dbfilter": f"^{self.database}$",
            "gevent_port": self.gevent_port or free_port(),
            "http_interface": "127.0.0.1",
            "http_port": self.port,
            "limit_time_cpu": 3600,  # 0 is not "no limit" with workers: it ends them at once
            "limit_time_real": 1200,
            "list_db": False,
            "max_cron_threads": self.cron_threads,
            "workers": 0,
        } | (self.options or {})
        path = folder / f"{self.purpose}.conf"
        path.write_text("[options]\n" + "".join(f"{name} = {value}\n" for name, value in sorted(values.items())))
        path.chmod(0o600)
        return path

    def command(self, subcommand="", *arguments):
        """The command line; options of the configuration file hold unless `arguments` say otherwise."""
        return [str(python_env()), str(LAUNCHER), *([subcommand] if subcommand else []), "-c", str(self.config()),
                "-d", self.database, *map(str, arguments)]

    def environment(self):
        return self.server.environment() | {
            "PYTHONPATH": str(python_path()), "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8",
        }

    def call(self, subcommand="", *arguments, log, advice, timeout=1800):
        """Run to the end with the output in a log.

        :raise Problem: when it fails
        """
        log = Path(log)
        log.unlink(missing_ok=True)
        run_quietly(self.command(subcommand, *arguments), log=log, advice=advice, timeout=timeout,
                    env=self.environment())

    def run_script(self, script, *, log, advice, timeout=1800, variables=None):
        """Feed a Python file to `odoo shell`; what it prints to standard output comes back as text."""
        log = Path(log)
        with Path(script).open() as source, log.open("w") as errors:
            done = subprocess.run(
                self.command("shell", "--no-http", "--shell-interface", "python"),
                stdin=source, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=timeout, check=False,
                env=self.environment() | (variables or {}),
            )
        if done.returncode:
            tail = "\n".join("    " + line for line in log.read_text().splitlines()[-25:])
            raise Problem(f"{advice}\n  the whole log is {log}, its end:\n{tail}")
        return done.stdout


def free_port(preferred=0):
    """A TCP port of 127.0.0.1 that nobody listens on now; the preferred one when it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Problem("No free TCP port on 127.0.0.1: is the machine out of ports?")


LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:,]+ \d+ (?P<level>[A-Z]+) \S+ (?P<logger>[^:]+): ?(?P<text>.*)$")


def complaints(log):
    """What a log says against the add-on: errors, and warnings that mention it or come from Python's own.

    :return: list of texts, each with the lines that belong to it
    """
    entries = []
    for line in Path(log).read_text(errors="replace").splitlines():
        match = LOG_LINE.match(line)
        if match:
            entries.append([match["level"], match["logger"], [line]])
        elif entries:
            entries[-1][2].append(line)
    found = []
    for level, logger, lines in entries:
        text = "\n".join(lines)
        if level in ("ERROR", "CRITICAL") or (
                level == "WARNING" and (logger == "py.warnings" or "psa_hub" in text or "psa." in text)):
            found.append(text)
    return found


def cpu_count():
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
