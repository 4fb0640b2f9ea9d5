"""`./dev bench`: take the figures of benchmarks/ beside the rival's, on commits that wait for the disk."""

import json
from pathlib import Path

from .paths import REPO, clone_id, lock
from .postgres import server
from .python_env import install_target
from .say import say

RIVAL = REPO / "benchmarks/requirements.txt"


def bench(output, only=()):
    """Take the figures and print them.

    :param output: file for the figures as JSON, or None
    :param only: names of figures to take; empty = all
    :return: exit code; 1 when a figure misses its bar
    """
    from benchmarks.suite import run

    rival_packages = install_target(RIVAL, "benchmark-packages")
    running = server()
    if running.private is None:
        say("the PG* variables name this server: its own durability settings hold")
    with lock(f"bench-{clone_id()}", "it takes the figures of this checkout"):
        figures = run(running, rival_packages, only)
    if output:
        Path(output).write_text(json.dumps(figures, indent=1) + "\n")
    print_figures(figures)
    return 0 if all(figure["ok"] for figure in figures) else 1


def print_figures(figures):
    width = max((len(figure["name"]) for figure in figures), default=0)
    for figure in figures:
        bar = "" if figure["bar"] is None else f"  bar {figure['bar']:g}  {'ok' if figure['ok'] else 'MISSED'}"
        print(f"{figure['name']:<{width}}  {figure['value']:>12,.3f} {figure['unit']}{bar}")
