"""Databases: templates kept for later runs, and the copies that runs work on.

Two levels of template. The first has the dependencies of the manifest installed (minutes); its name changes with
Odoo's version and the list of dependencies. The second has psa_hub installed on top (seconds); its name changes with
every file of the add-on. A run gets a copy of the second, which takes less than a second.
"""

import ast
import json
import os
import shutil
import time
from pathlib import Path

from .odoo_source import odoo_source
from .paths import ADDON, REPO, cache, clone_folder, database_name, digest, lock, log_folder
from .run_odoo import OdooRun, complaints
from .say import Problem, step
from .sql import literal, quoted, run_sql

MARK = "made by psa_hub dev"
KEPT_TEMPLATES = 4
# What a database does not depend on
NOT_INSTALLED = {".ci", ".git", "benchmarks", "demo", "devkit", "docs", "sandbox", "tests", "static/tests",
                 "static/description"}
INSTALLED_SUFFIXES = {".py", ".xml", ".csv", ".js", ".scss", ".css", ".sql", ".po", ".json", ".txt", ".svg", ".png"}


def manifest():
    return ast.literal_eval((REPO / "__manifest__.py").read_text())


def addon_files():
    """Files of the add-on that change what an installation makes."""
    found = []
    for folder, folders, names in os.walk(REPO):
        relative = Path(folder).relative_to(REPO)
        folders[:] = sorted(name for name in folders
                            if (relative / name).as_posix() not in NOT_INSTALLED and name[0] != "."
                            and name != "__pycache__")
        found += [relative / name for name in sorted(names)
                  if Path(name).suffix in INSTALLED_SUFFIXES and (relative.parts or name.startswith("__"))]
    return found


def base_key():
    return digest([odoo_source().version, *manifest()["depends"]])


def addon_key():
    return digest([base_key(), *(part for path in addon_files() for part in (path, (REPO / path).read_bytes()))])


def templates_data():
    """Data folder of the templates; their file stores are below it."""
    return cache() / "templates"


def ensure_template(server, name, build):
    """Make a template unless it is there.

    :param build: function(scratch database name) that fills it
    :return: the template's name
    """
    record = templates_data() / f"{name}.json"
    with lock(f"template-{name}", "it prepares the same database"):
        known = json.loads(record.read_text()) if record.is_file() else {}
        if known.get("server") != server.identity() or not exists(server, name):
            record.unlink(missing_ok=True)
            record.with_suffix(".assets").unlink(missing_ok=True)
            scratch = f"{name}_new"
            drop(server, scratch, templates_data())
            drop(server, name, templates_data())
            build(scratch)
            run_sql(server, [(f"ALTER DATABASE {quoted(scratch)} RENAME TO {quoted(name)}", [])])
            store = templates_data() / "filestore"
            if (store / scratch).is_dir():
                os.rename(store / scratch, store / name)
        record.write_text(json.dumps({"server": server.identity(), "used": time.time()}))
    return name


def base_template(server):
    """Database with the manifest's dependencies installed."""
    name = f"{ADDON}_template_base_{base_key()}"

    def build(scratch):
        depends = ",".join(manifest()["depends"])
        run = OdooRun(server, scratch, scratch, templates_data())
        create = f"CREATE DATABASE {quoted(scratch)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        run_sql(server, [(create, []), mark(scratch)])
        with step("installing Odoo's own add-ons into a template database (about 2 minutes, once)"):
            run.call("", "-i", depends, "--stop-after-init", "--no-http", log=log_folder() / "template.log",
                     advice="Odoo's own add-ons could not be installed.")

    return ensure_template(server, name, build)


def addon_template(server):
    """Database with psa_hub installed from the files as they are now."""
    name = f"{ADDON}_template_addon_{addon_key()}"
    log = log_folder() / "install.log"

    def build(scratch):
        copy(server, base_template(server), templates_data(), scratch, templates_data())
        run = OdooRun(server, scratch, scratch, templates_data())
        with step(f"installing {ADDON}"):
            run.call("", "-i", ADDON, "--stop-after-init", "--no-http", log=log,
                     advice=f"{ADDON} could not be installed.")
        (templates_data() / f"{name}.complaints").write_text("\n".join(complaints(log)))

    ensure_template(server, name, build)
    forget_old_templates(server, keep=name)
    return name


def build_assets(server, template):
    """Build the web client's bundles in a template, once, so that no browser test builds them in its own copy.

    Odoo names a bundle by the times of its files, and those differ between checkouts of the same sources. A bundle
    under another name is of no use: each test would build its own and roll it back, ten seconds every time.
    """
    marker = templates_data() / f"{template}.assets"
    parts = [REPO / "devkit/pregenerate.py", *(path for path in sorted((REPO / "static").rglob("*")) if path.is_file())]
    times = digest((path, path.stat().st_mtime_ns) for path in parts)
    with lock(f"template-{template}", "it prepares the same database"):
        if not marker.is_file() or marker.read_text() != times:
            run = OdooRun(server, template, template, templates_data())
            with step("building the web client's bundles"):
                run.run_script(REPO / "devkit/pregenerate.py", log=log_folder() / "assets.log",
                               advice="The web client's bundles could not be built.")
            marker.write_text(times)


def install_complaints(template):
    """What the log of the installation said against the add-on: errors, deprecations, warnings; empty when nothing."""
    return (templates_data() / f"{template}.complaints").read_text()


def forget_old_templates(server, keep):
    """Drop second-level templates not used lately; the files change often."""
    records = sorted(templates_data().glob(f"{ADDON}_template_addon_*.json"), key=lambda path: -path.stat().st_mtime)
    for record in records[KEPT_TEMPLATES:]:
        if record.stem != keep:
            with lock(f"template-{record.stem}"):
                record.unlink(missing_ok=True)
                for suffix in (".complaints", ".assets"):
                    record.with_suffix(suffix).unlink(missing_ok=True)
                drop(server, record.stem, templates_data())


def clone_data():
    """Data folder of this checkout's databases."""
    return clone_folder() / "data"


def fresh_copy(server, purpose, template=None):
    """A new database of this checkout, copied from the template (default: the one with psa_hub installed).

    :return: its name
    """
    template = template or addon_template(server)
    name = database_name(purpose)
    drop(server, name, clone_data())
    with lock(f"template-{template}", "it prepares the same database"):  # a template in use cannot be copied
        copy(server, template, templates_data(), name, clone_data())
    return name


def copy(server, source, source_data, target, target_data):
    """Copy a database and its file store; the files never change, so hard links do."""
    run_sql(server, [(f"CREATE DATABASE {quoted(target)} TEMPLATE {quoted(source)}", []), mark(target)])
    store = source_data / "filestore" / source
    if store.is_dir():
        shutil.copytree(store, target_data / "filestore" / target, copy_function=os.link, dirs_exist_ok=True)


def mark(name):
    return f"COMMENT ON DATABASE {quoted(name)} IS {literal(MARK)}", []


def exists(server, name):
    return bool(run_sql(server, [("SELECT 1 FROM pg_database WHERE datname = %s", [name])])[0])


def own_databases(server, prefix):
    """Names of databases that dev made and that start so."""
    query = """
        SELECT datname FROM pg_database
        WHERE starts_with(datname, %s) AND shobj_description(oid, 'pg_database') = %s
        ORDER BY 1"""
    [rows] = run_sql(server, [(query, [prefix, MARK])])
    return [name for [name] in rows]


def drop(server, name, data):
    """Drop a database with its file store, if it is there.

    :raise Problem: when dev did not make it
    """
    [rows] = run_sql(server, [("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
                               [name])])
    if rows:
        if rows[0][0] not in (MARK, None):  # None: a run was killed between making and marking it
            raise Problem(f"The database {name} was not made by dev, so dev does not drop it: rename it, or let the "
                          "PG* variables point elsewhere.")
        run_sql(server, [(f"DROP DATABASE {quoted(name)} WITH (FORCE)", [])])
    shutil.rmtree(data / "filestore" / name, ignore_errors=True)
