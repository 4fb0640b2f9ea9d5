"""The developer program's own parts that need neither network nor Odoo."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest

from devkit import apt, cli, paths, shot, shot_page
from devkit.sharing import Claims, longest_first
from devkit.tests import Outcome, Selection

REPO = Path(__file__).resolve().parents[2]


def test_one_line_sources():
    entries = apt.parse_one_line(
        "# deb http://old.example/debian buster main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main contrib\n"
        "deb-src http://mirror.example/debian bookworm main\n"
        "deb http://mirror.example/debian trixie main # comment\n"
    )
    assert entries == [
        {"uri": "http://mirror.example/debian", "suite": "bookworm", "components": ["main", "contrib"],
         "keyring": "/usr/share/keyrings/k.gpg"},
        {"uri": "http://mirror.example/debian", "suite": "trixie", "components": ["main"], "keyring": None},
    ]


def test_deb822_sources():
    entries = apt.parse_deb822(
        "Types: deb deb-src\n"
        "# an older mirror\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/k.gpg\n"
        "\n"
        "Types: deb\n"
        "Enabled: no\n"
        "URIs: http://off.example/debian\n"
        "Suites: sid\n"
        "Components: main\n"
        "\n"
        "Types: deb\n"
        "URIs: http://inline.example/debian\n"
        "Suites: sid\n"
        "Components: main\n"
        "Signed-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n"
        " .\n"
    )
    assert [(entry["uri"], entry["suite"], entry["keyring"]) for entry in entries] == [
        ("http://mirror.example/debian", "bookworm", "/usr/share/keyrings/k.gpg"),
        ("http://mirror.example/debian", "bookworm-updates", "/usr/share/keyrings/k.gpg"),
        ("http://inline.example/debian", "sid", None),
    ]


def test_mirror_skips_suites_of_others(tmp_path):
    keyring = tmp_path / "k.gpg"
    keyring.touch()
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/vendor.list").write_text("deb http://vendor.example/apt stable-vendor main\n")
    (tmp_path / "sources.list").write_text(f"deb [signed-by={keyring}] http://mirror.example/debian trixie main\n")
    assert apt.debian_mirror(tmp_path) == ("http://mirror.example/debian", str(keyring))


def test_no_mirror_says_what_to_do(tmp_path):
    (tmp_path / "sources.list.d").mkdir()
    with pytest.raises(apt.Problem, match="ODOO_HOME"):
        apt.debian_mirror(tmp_path)


def test_longest_class_first_and_a_guess_for_new_ones():
    assert longest_first({"a": 1, "b": 3, "new": 40, "c": 1}, {"a": 30.0, "b": 5.0, "c": 5.0}) == ["a", "new", "b", "c"]


def test_each_class_is_taken_once(tmp_path):
    claims = Claims(tmp_path / "claims")
    claims.reset()
    names = [f"class {number}" for number in range(300)]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _process: [name for name in names if claims.take(name)], range(4)))
    assert sorted(chain.from_iterable(taken)) == sorted(names)
    claims.reset()
    assert claims.take(names[0])


def test_processes_share_classes_of_the_same_and_of_other_files(tmp_path):
    """In whatever order classes come, each is set up and torn down as usual and runs in one process only."""
    for name in "abc":
        (tmp_path / f"test_{name}.py").write_text("".join(
            f"class Test{number}:\n def test_one(self): pass\n def test_two(self): pass\n" for number in range(3)))
    (tmp_path / "pytest.ini").touch()
    names = [f"test_{name}.py::Test{number}" for number in range(3) for name in "abc"]  # files take turns
    (tmp_path / "durations").write_text(json.dumps({name: 100 - place for place, name in enumerate(names)}))
    claims = Claims(tmp_path / "claims")
    claims.reset()
    assert claims.take(names[1])  # as if another process had it
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "devkit.pytest_plugin", "-p", "no:odoo", "--claims", claims.folder,
         "--durations-file", tmp_path / "durations", "--report-file", tmp_path / "report"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, text=True, timeout=120,
        check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report").read_text())
    assert (report["passed"], report["failed"], len(report["chosen"])) == (16, 0, 18)
    assert not [test for test in report["run"] if test.startswith(names[1] + "::")]


def test_what_nobody_ran_is_a_failure():
    one, other = Outcome(passed=1, chosen={"a", "b"}, run={"a"}), Outcome(passed=1, chosen={"a", "b"}, run={"b"})
    assert not (one + other).forgotten().failed
    lost = (one + Outcome(chosen={"a", "b"})).forgotten()
    assert (lost.failed, lost.notes[1:]) == (1, ["b"])
    stopped = Outcome(failed=1, chosen={"a", "b"}, run={"a"})
    assert not stopped.forgotten().failed


def test_a_folder_is_built_whole_or_not_at_all(tmp_path):
    final = tmp_path / "thing"
    (tmp_path / ".thing.building-left").mkdir()
    with pytest.raises(FileExistsError), paths.built_whole(final) as scratch:
        (scratch / "half").mkdir()
        (scratch / "half").mkdir()
    assert list(tmp_path.iterdir()) == []
    with paths.built_whole(final) as scratch:
        (scratch / "file").write_text("whole")
    assert (final / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_selection_sorts_paths_and_keeps_options():
    selection = Selection.parse(["-k", "webhook", "tests/pure/test_devkit.py::test_one_line_sources", "-x"])
    assert selection.options == ["-k", "webhook", "-x"]
    assert selection.pure == ["tests/pure/test_devkit.py::test_one_line_sources"]
    assert selection.odoo == []
    assert not selection.everything
    assert Selection.parse([]).everything
    assert Selection.parse(["-v"]).everything
    wish = " or ".join(f"test_{number}" for number in range(100))
    assert Selection.parse(["-k", wish]).options == ["-k", wish]


@pytest.mark.parametrize(("options", "dark"), [([], False), (["--dark"], True)])
def test_a_dark_picture_is_asked_for(monkeypatch, options, dark):
    asked = []

    def run(command, **_options):
        asked.extend(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(shot, "browser", lambda: "chromium")
    monkeypatch.setattr(shot, "running_server", lambda: {"url": "http://127.0.0.1:1"})
    monkeypatch.setattr(shot, "python_env", lambda: "python")
    monkeypatch.setattr(shot.subprocess, "run", run)
    assert cli.main(["shot", "/odoo", *options]) == 0
    assert ("--dark" in asked) is dark


def test_dark_styles_come_from_the_server_of_the_light_ones():
    light = "http://127.0.0.1:8069/web/assets/abc123/web.assets_web.min.css"
    assert shot_page.dark_address(light) == "http://127.0.0.1:8069/web/assets/debug/web.assets_web_dark.css"


def test_help_needs_nothing_but_python(tmp_path):
    environment = {"PATH": os.environ["PATH"], "PSA_HUB_CACHE": str(tmp_path / "cache")}
    for command in ([], ["test"], ["lint"]):
        done = subprocess.run([sys.executable, "-S", REPO / "dev", *command, "--help"], env=environment, timeout=60,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "usage:" in done.stdout
    assert not (tmp_path / "cache").exists()
