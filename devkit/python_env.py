"""The virtual environment with Odoo's needs, the add-on's own and the test tools; one per pin list and Python."""

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from .paths import REPO, cache, digest, lock, log_folder
from .say import Problem, run_quietly, step

REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def python_env():
    """Path of the environment's Python; the environment is made when missing.

    :rtype: Path
    """
    key = digest([sys.version, *((REPO / name).read_bytes() for name in REQUIREMENTS)])
    folder = cache() / "python" / key
    complete = folder / "complete"
    if not complete.is_file():
        with lock(f"python-{key}", "it installs the Python packages"):
            if not complete.is_file():
                create(folder)
    return folder / "bin/python"


def create(folder):
    """Scripts in an environment name its folder, so it is built in place and marked when whole."""
    shutil.rmtree(folder, ignore_errors=True)
    log = log_folder() / "python.log"
    with step("installing the Python packages"):
        if importlib.util.find_spec("ensurepip") is None:
            install_ensurepip(log)
        venv.EnvBuilder(with_pip=True, symlinks=True).create(folder)
        run_quietly(
            [folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
             "-r", REPO / REQUIREMENTS[-1]],
            log=log, cwd=REPO,
            advice="The Python packages could not be installed: check the network and pip's own configuration "
                   "(`pip config list`).",
        )
        (folder / "complete").touch()


def install_ensurepip(log):
    """Debian splits venv's pip into a package of its own; root can mend that."""
    advice = "This Python cannot make virtual environments: install the package python3-venv."
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Problem(advice)
    system_install(["python3-venv"], log, advice)
    importlib.invalidate_caches()


def system_install(packages, log, advice):
    """Install Debian packages for the whole machine; for root only."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "install", "--no-install-recommends", *packages]
    with Path(log).open("ab") as output:
        first = subprocess.run(install, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                               timeout=1800, check=False)
    if first.returncode:  # usually lists that are missing or old
        run_quietly(["apt-get", "-q", "update"], log=log, env=environment, advice=advice)
        run_quietly(install, log=log, env=environment, advice=advice)


def install_target(requirements, name):
    """Packages of one requirements file in a folder of their own, without what they depend on.

    :param requirements: Path of the pinned requirements file
    :param name: folder name below the cache
    :return: Path of the folder, for PYTHONPATH
    """
    folder = cache() / name / digest([sys.version, requirements.read_bytes()])
    if not (folder / "complete").is_file():
        with lock(name, f"it installs {requirements.name}"):
            if not (folder / "complete").is_file():
                shutil.rmtree(folder, ignore_errors=True)
                with step(f"installing {requirements.relative_to(REPO)}"):
                    run_quietly(
                        [python_env(), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check",
                         "--no-deps", "--target", folder, "-r", requirements],
                        log=log_folder() / "python.log",
                        advice=f"The packages of {requirements.name} could not be installed: check the network.",
                    )
                (folder / "complete").touch()
    return folder
