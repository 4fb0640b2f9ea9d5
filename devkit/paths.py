"""Where things live: the checkout, the cache shared by all checkouts, and what belongs to this checkout alone."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .say import say

REPO = Path(__file__).resolve().parent.parent
ADDON = "psa_hub"


def cache():
    """Folder for everything fetched or built; outside the checkout, shared by all checkouts of this user."""
    configured = os.environ.get("PSA_HUB_CACHE")
    if configured:
        folder = Path(configured).expanduser().absolute()
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / ADDON
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def clone_id():
    """Eight hexadecimal digits that stay the same for this checkout and differ from any other's."""
    return hashlib.sha256(str(REPO).encode()).hexdigest()[:8]


def clone_folder():
    """Folder in the cache that only this checkout uses."""
    folder = cache() / "clones" / clone_id()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_folder():
    folder = clone_folder() / "logs"
    folder.mkdir(exist_ok=True)
    return folder


def database_name(purpose):
    """Name of a database of this checkout; `clean` drops what starts so."""
    if not re.fullmatch(r"[a-z0-9_]+", purpose):
        raise ValueError(f"not a database name part: {purpose!r}")
    return f"{ADDON}_{clone_id()}_{purpose}"


def digest(parts):
    """Short hash of strings and bytes, for names that change when the content does."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


@contextmanager
def lock(name, waiting_for=None):
    """Hold the cache's lock of that name; the kernel frees it when the process dies.

    :param waiting_for: what to tell the person when another process holds it
    """
    folder = cache() / "locks"
    folder.mkdir(exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run of dev: {waiting_for or name}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def built_whole(final):
    """Yield a scratch folder that becomes `final` in one rename when the block succeeds, and vanishes otherwise.

    The caller holds a lock, so scratch folders left by a killed run can go.
    """
    final = Path(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    for leftover in final.parent.glob(f".{final.name}.building-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{final.name}.building-", dir=final.parent))
    scratch.chmod(0o755)
    try:
        yield scratch
        os.rename(scratch, final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
