"""`./dev shot`: a picture of a page as the administrator sees it, for documentation and for looking at one's work."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

from .browser import browser
from .database import clone_data
from .paths import REPO, log_folder
from .postgres import server
from .python_env import python_env
from .run_odoo import OdooRun, free_port
from .say import say
from .serve import lasting_database, odoo_server, running_server


def shot(path, output, width, height, login="admin", wait="", click=(), dark=False):
    """Save a page as PNG.

    :param path: path below the server's address, such as /odoo/psa-exceptions
    :param output: Path of the PNG
    :param wait: CSS selector that must be there before the picture is taken
    :param click: CSS selectors to click first, in order
    :param dark: in dark colours
    :return: exit code; 1 when the page reported an error
    """
    executable = browser()
    with some_server() as url:
        done = subprocess.run([
            str(python_env()), str(REPO / "devkit/shot_page.py"), "--browser", executable, "--url", url,
            "--path", "/" + path.lstrip("/"), "--output", str(Path(output).absolute()), "--width", str(width),
            "--height", str(height), "--login", login, "--wait", wait, *(f"--click={one}" for one in click),
            *(["--dark"] if dark else []),
        ], check=False, timeout=300)
    if done.returncode == 0:
        say(f"the picture is in {output}")
    return done.returncode


@contextmanager
def some_server():
    """Address of the server that already runs for this checkout, or of one started for the moment."""
    found = running_server()
    if found:
        yield found["url"]
        return
    running = server()
    run = OdooRun(running, lasting_database(running), "shot", clone_data(), port=free_port())
    with odoo_server(run, log=log_folder() / "shot.log"):
        yield run.url
