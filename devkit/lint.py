"""`./dev lint`: ruff, pylint with the Odoo community's rules, well-formed XML, no file that names this machine."""

import os
import re
import socket
import subprocess
import urllib.parse
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from .paths import REPO, cache, digest
from .python_env import python_env
from .run_odoo import cpu_count

GENERIC_HOSTS = {"localhost", "debian", "ubuntu", "runner", "docker", "host", "main", "dev"}
# A literal folder of one machine; examples in texts use placeholders such as ~/.cache
LITERAL_FOLDER = re.compile(r"(?<![\w.~}\])])/(?:tmp|home|root|Users)/[A-Za-z_]\w*")
NOT_ADDON = {"benchmarks", "demo", "devkit", "sandbox"}
LITERAL_FOLDER_ALLOWED = {"devkit/lint.py", "tests/pure/test_devkit.py"}


def lint_checks():
    """Run every check.

    :return: list of (name of the check, findings as text; empty when it passed)
    """
    files = tracked_files()
    checks = [
        ("ruff", ruff),
        ("pylint", lambda: pylint(files)),
        ("well-formed XML", lambda: well_formed(files)),
        ("no machine named", lambda: machine_names(files)),
    ]
    with ThreadPoolExecutor(len(checks)) as pool:
        return list(pool.map(lambda check: (check[0], check[1]()), checks))


def tracked_files():
    """Files of the checkout, new ones included, ignored ones not."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPO,
                            capture_output=True, text=True, check=True, timeout=60).stdout
    return [Path(name) for name in sorted(set(listed.split("\0"))) if name and (REPO / name).is_file()]


def tool(*command):
    done = subprocess.run(list(map(str, command)), cwd=REPO, capture_output=True, text=True, check=False, timeout=900)
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"ended with {done.returncode}"


def ruff():
    return tool(python_env(), "-m", "ruff", "check", "--quiet", "--cache-dir", cache() / "ruff", ".")


def pylint(files):
    """The add-on's Python and XML by pylint-odoo; it reads the manifest's files itself."""
    modules = [path for path in files if path.suffix == ".py" and path.parts[0] not in NOT_ADDON]
    return unless_passed_before("pylint", files, lambda: tool(
        python_env(), "-m", "pylint", "--rcfile", "pyproject.toml", "-j", cpu_count(), "--score=n", *modules))


def unless_passed_before(name, files, check):
    """Run a slow check unless it passed on exactly these contents with these tools."""
    contents = chain.from_iterable((path, (REPO / path).read_bytes()) for path in files)
    seen = cache() / "lint" / f"{name}-{digest([python_env(), *contents])}"
    if seen.is_file():
        return ""
    findings = check()
    if not findings:
        seen.parent.mkdir(exist_ok=True)
        seen.touch()
    return findings


def well_formed(files):
    findings = []
    for path in files:
        if path.suffix in (".xml", ".svg"):
            try:
                ElementTree.parse(REPO / path)
            except ElementTree.ParseError as error:
                findings.append(f"{path}: {error}")
    return "\n".join(findings)


def machine_names(files):
    """Lines that name this machine, its folders or its package registries."""
    words = machine_words()
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True)))) if words else None
    findings = []
    for path in files:
        try:
            text = (REPO / path).read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern and (match := pattern.search(line)):
                findings.append(f"{path}:{number}: names this machine: {match[0]}")
            elif str(path) not in LITERAL_FOLDER_ALLOWED and (match := LITERAL_FOLDER.search(line)):
                findings.append(f"{path}:{number}: names a folder of one machine: {match[0]}")
    return "\n".join(findings)


def machine_words():
    """Names that only make sense here: host, folders, where the clone came from, registry hosts of pip."""
    words = {str(REPO), str(cache())}
    host = socket.gethostname()
    if len(host) > 4 and host.lower() not in GENERIC_HOSTS:
        words.add(host)
    if len(REPO.parent.parts) > 2:
        words.add(str(REPO.parent))
    home = str(Path.home())
    if home not in ("/", "/root"):
        words.add(home)
    origin = subprocess.run(["git", "config", "--get", "remote.origin.url"], cwd=REPO, capture_output=True, text=True,
                            check=False, timeout=60).stdout.strip()
    if origin.startswith("/"):
        words.add(origin)
    settings = subprocess.run([str(python_env()), "-m", "pip", "config", "list"], capture_output=True, text=True,
                              check=False, timeout=60, env=dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")).stdout
    for url in re.findall(r"https?://[^\s'\"]+", settings):
        name = urllib.parse.urlsplit(url).hostname
        if name and name != "localhost":
            words.add(name)
    return words
