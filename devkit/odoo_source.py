"""Odoo itself: ODOO_HOME when set, else Debian's package unpacked into the cache."""

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import apt
from .paths import built_whole, cache, digest, lock, log_folder
from .say import Problem, step

PACKAGES = {
    "odoo-19": "sid",
    "libjs-jquery": "sid",
    "libjs-jquery-form": "sid",
    "libjs-underscore": "sid",
    "fonts-montserrat": "sid",
    "fonts-roboto-unhinted": "sid",
    "fonts-inconsolata": "sid",
    "fonts-ocr-b": "sid",
    # Odoo links to file names of Font Awesome 4.7; newer packages have no such files
    "fonts-font-awesome": "bookworm",
}
NEEDED_BYTES = 4 << 30
# Bundled by mail/__manifest__.py but left out of Debian's package; without it no page has its scripts
MISSING_SCRIPT = "odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"


@dataclass(frozen=True)
class OdooSource:
    """An Odoo tree: the package folder `odoo`, the add-ons folders, and a text that changes with the version."""

    package: Path
    addons: tuple
    version: str


def odoo_source():
    """The Odoo to work with; fetched once when ODOO_HOME is not set.

    :rtype: OdooSource
    """
    home = os.environ.get("ODOO_HOME")
    if home:
        return from_home(Path(home).expanduser().absolute())
    root = cache() / "odoo-19"
    if not root.is_dir():
        with lock("odoo-19", "it fetches Odoo"):
            if not root.is_dir():
                fetch_debian(root)
    return describe(root / "usr/lib/python3/dist-packages/odoo", (root / "version").read_text())


def from_home(home):
    """Find Odoo below ODOO_HOME, be it a source tree, an installation root, a site-packages folder or the package."""
    for package in (home / "odoo", home, home / "usr/lib/python3/dist-packages/odoo",
                    *home.glob("lib/python3*/site-packages/odoo")):
        if (package / "release.py").is_file():
            break
    else:
        raise Problem(f"ODOO_HOME is {home}, but no Odoo is there: let it name a source tree of Odoo 19 (the folder "
                      "with odoo-bin) or an installed Odoo 19, or unset it and dev fetches one.")
    return describe(package, str(package))


def describe(package, identity):
    release = (package / "release.py").read_text()
    match = re.search(r"^version_info = \((\d+), (\d+)", release, re.M)
    if not match or match[1] != "19":
        raise Problem(f"{package} is Odoo {match[1] if match else 'of an unknown version'}: PSA Hub needs Odoo 19. "
                      "Set ODOO_HOME to an Odoo 19, or unset it and dev fetches one.")
    addons = tuple(folder for folder in (package / "addons", package.parent / "addons")
                   if (folder / "base/__manifest__.py").is_file() or (folder / "web/__manifest__.py").is_file())
    return OdooSource(package, addons, digest([identity, release]))


def fetch_debian(root):
    free = shutil.disk_usage(root.parent).free
    if free < NEEDED_BYTES:
        raise Problem(f"{root.parent} has {free >> 20} MB free and Odoo needs {NEEDED_BYTES >> 20}: make room, or set "
                      "PSA_HUB_CACHE to a folder on a larger disk.")
    for leftover in root.parent.glob(".apt-*"):  # of a killed run; the caller holds the lock
        shutil.rmtree(leftover, ignore_errors=True)
    log = log_folder() / "odoo-source.log"
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".apt-") as scratch:
        work, archives = Path(scratch) / "apt", Path(scratch) / "archives"
        work.mkdir()
        archives.mkdir()
        with step("fetching Odoo 19 and its fonts from Debian (about 150 MB)"):
            found = apt.fetch(PACKAGES, archives, work, log)
        with built_whole(root) as building, step("unpacking Odoo 19 (1.2 GB)"):
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda archive: apt.unpack(archive, building, log), found))
            script = building / "usr/lib/python3/dist-packages" / MISSING_SCRIPT
            if not script.exists():
                script.parent.mkdir(parents=True, exist_ok=True)
                script.touch()
            (building / "version").write_text("".join(
                f"{archive.name.split('_')[0]} {apt.package_version(archive)}\n" for archive in found))
