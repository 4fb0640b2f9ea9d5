"""`./dev clean`: remove what this program made, and nothing else."""

import shutil

from .database import clone_data, drop, own_databases, templates_data
from .paths import ADDON, cache, clone_folder, clone_id, lock
from .postgres import server
from .say import say

# Everything dev puts into the cache; a folder that holds other things keeps them
MADE = ("odoo-19", "python", "postgres", "postgres-embedded", "benchmark-packages", "templates", "clones",
        "durations.json", "lint", "ruff", "locks")


def clean(everything=False):
    """Drop this checkout's databases and files; with `everything`, all that dev fetched and made for any checkout."""
    with lock(f"test-{clone_id()}", "it tests this checkout"):
        # Without the Python packages there is no database either
        running = server() if (cache() / "python").is_dir() else None
        if everything:
            clean_cache(running)
        else:
            clean_clone(running)
    return 0


def clean_clone(running):
    if running:
        for name in own_databases(running, f"{ADDON}_{clone_id()}_"):
            say(f"dropping the database {name}")
            drop(running, name, clone_data())
    shutil.rmtree(clone_folder())
    say("this checkout's databases and files are gone; `./dev clean --all` removes what is shared, too")


def clean_cache(running):
    if running and running.private:
        running.private.end("Another run of dev uses PostgreSQL: end it first.")
        shutil.rmtree(running.private.home)
    elif running:
        for name in own_databases(running, f"{ADDON}_"):
            say(f"dropping the database {name}")
            drop(running, name, templates_data())
    for name in MADE:
        path = cache() / name
        if path.is_dir():
            say(f"removing {path}")
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not any(cache().iterdir()):
        cache().rmdir()
