"""Chromium, for the browser tours and for screenshots."""

import os
import shutil

from .paths import lock, log_folder
from .python_env import system_install
from .say import Problem, step

# The names Odoo's own tests look for, in their order
NAMES = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")
ADVICE = "No Chromium was found, and the browser tests need one: run `apt-get install chromium` as root."


def find_browser():
    return next(filter(None, map(shutil.which, NAMES)), None)


def browser():
    """Path of the browser; Debian's is installed when it is missing and the user is root.

    :raise Problem: when it is missing and cannot be installed
    """
    found = find_browser()
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Problem(ADVICE)
    with lock("browser", "it installs Chromium"):
        if not find_browser():
            with step("installing Chromium"):
                system_install(["chromium"], log_folder() / "browser.log", ADVICE)
    found = find_browser()
    if not found:
        raise Problem(ADVICE)
    return found
