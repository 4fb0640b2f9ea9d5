"""The watched folder: files below a root that the server's owner named, read in the order of their time stamps.

Times of files cannot be trusted as a cursor: copying and unpacking keep old ones. So the cursor holds which files were
read, in which state (time and size), as long as they are there, and how far the one under way is read.
"""

import os
import stat
from datetime import datetime, timezone
from pathlib import Path

from ..base import Page
from ..cursor import format_instant
from ..errors import ConnectionRefusedByVendor, MissingScopeError, TransientError
from .records import Records, healed
from .table import SUFFIXES

ROOT_VARIABLE = "PSA_HUB_FILES_ROOT"
SETTLED_SECONDS = 60
OUT = "out"


def folder_of(settings):
    """Return the connection's folder, or None when it has none.

    :raise ConnectionRefusedByVendor: it may not be used; the text says what to do
    """
    wanted = (settings.get("folder") or "").strip()
    if not wanted:
        return None
    root = os.environ.get(ROOT_VARIABLE, "").strip()
    if not root:
        raise ConnectionRefusedByVendor(
            f"The server allows no folders: its owner has to name one in the environment variable {ROOT_VARIABLE}.",
            "no_root")
    base = Path(os.path.realpath(root))
    parts = Path(wanted).parts
    if ".." in parts:
        raise ConnectionRefusedByVendor(f"The folder “{wanted}” leads upwards: name one below {base}.", "outside")
    folder = Path(os.path.realpath(base / wanted))
    if folder != base and base not in folder.parents:
        raise ConnectionRefusedByVendor(f"The folder “{wanted}” is not below {base}.", "outside")
    if not folder.is_dir():
        raise ConnectionRefusedByVendor(f"The folder “{wanted}” does not exist on the server.", "no_folder")
    return folder


def listing(folder, code, now):
    """Return ``{name: (modified in nanoseconds, size)}`` of the files that can be read, oldest first.

    A file whose name ends in ``.part``, or that was written less than a minute ago, is still on its way. Links are not
    followed.

    :param now: seconds since 1970
    """
    found = {}
    if (folder / code).is_symlink():
        raise MissingScopeError(f"The folder “{code}” is a link, which the hub does not follow: make it a folder.",
                                "outside", (code,))
    try:
        with os.scandir(folder / code) as entries:
            for entry in entries:
                if entry.name.startswith((".", "~")) or not entry.name.lower().endswith(SUFFIXES):
                    continue
                known = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(known.st_mode) and not 0 <= now - known.st_mtime < SETTLED_SECONDS:
                    found[entry.name] = (known.st_mtime_ns, known.st_size)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise MissingScopeError(f"The server may not read the folder “{code}”.", "unreadable", (code,)) from error
    except OSError as error:
        raise TransientError(f"The folder {code} cannot be read: {error.strerror}.", "folder") from error
    return dict(sorted(found.items(), key=lambda pair: (pair[1][0], pair[0])))


def _open(path):
    """Return a binary file; a link that took the place of the file meanwhile is refused."""
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")
    except OSError as error:
        raise TransientError(f"{path.name} cannot be read: {error.strerror}.", "file") from error


def fetch_page(session, spec, cursor, options, now):
    """Return the next :class:`~connectors.base.Page` of the stream's folder."""
    folder = folder_of(session.settings)
    if folder is None:
        return Page([], cursor, False)
    files = {name: f"{modified}:{size}" for name, (modified, size) in listing(folder, spec.code, now).items()}
    done = {name: state for name, state in (cursor.get("done") or {}).items() if name in files}
    name, state, row = _next_file(files, done, cursor)
    if not name:
        return Page([], {"done": done}, False)
    source = _source(session, spec, folder / spec.code / name, state, row)
    records = []
    for record in source:
        records.append(record)
        if len(records) >= options["page_size"]:
            break
    else:
        session.memory.pop("file", None)
        source.close()
        if done.get(name, "").startswith("!") and not source.failure:
            records.append(healed(spec, name, _stamp(state)))
        done = {**done, name: ("!" if source.failure else "") + state}
        more = any(done.get(other, "").removeprefix("!") != files[other] for other in files)
        return Page(records, {"done": done}, more, name)
    return Page(records, {"done": done, "file": name, "state": state, "row": source.row}, True, name)


def _next_file(files, done, cursor):
    """Return ``(name, state, rows that were read)`` of the file to read, the one under way first."""
    name = cursor.get("file", "")
    if name in files and files[name] == cursor["state"]:
        return name, cursor["state"], cursor["row"]
    for name, state in files.items():
        if done.get(name, "").removeprefix("!") != state:
            return name, state, 0
    return "", "", 0


def _source(session, spec, path, state, row):
    """Return the :class:`Records` of a file behind ``row``: the open one of this run, or a new one."""
    place = (spec.code, path.name, state, row)
    source = session.memory.pop("file", None)
    if source is None or (spec.code, path.name, source.state, source.row) != place:
        if source is not None:
            source.close()
        source = Records(spec, path.name, _open(path), _stamp(state))
        source.state = state
        while row and source.row < row and next(source, None):
            pass
    session.memory["file"] = source
    return source


def _stamp(state):
    """Return the version text of a file's state; nanoseconds stay apart."""
    nanoseconds = int(state.partition(":")[0])
    moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    return format_instant(moment)[:-4] + f"{nanoseconds % 10**9:09d}Z"
