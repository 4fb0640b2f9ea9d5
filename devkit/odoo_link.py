"""Make Odoo see this checkout as the add-on psa_hub, in folders that no other checkout uses."""

import os

from .odoo_source import odoo_source
from .paths import ADDON, REPO, clone_folder


def addons_link():
    """Folder for --addons-path that holds this checkout under the add-on's name, whatever the checkout is called."""
    folder = clone_folder() / "addons"
    folder.mkdir(exist_ok=True)
    point(folder / ADDON, REPO)
    return folder


def python_path():
    """Folder for PYTHONPATH with nothing in it but Odoo and the test plugin.

    Odoo's own parent folder may be the system's dist-packages, which must not hide the environment's packages, and
    the checkout holds top-level names such as `models` and `tests`.
    """
    folder = clone_folder() / "python"
    folder.mkdir(exist_ok=True)
    point(folder / "odoo", odoo_source().package)
    point(folder / "devkit", REPO / "devkit")
    return folder


def point(link, target):
    """Make or correct a symbolic link in one step, so that a reader never finds it missing."""
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    scratch = link.with_name(f".{link.name}.{os.getpid()}")
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(target)
    os.replace(scratch, link)
