"""All figures of ``./dev bench``: what each one is, and how it is taken. Bars are those of ``benchmarks/README.md``."""

import json
from pathlib import Path

from devkit import database
from devkit.say import Problem, say

from . import month_end, throughput, volume, worst_case
from .rig import Figure, Rig, work_folder

CONTRACTS, PEOPLE, COUNT = 10, 40, 5000


def run(server, rival_packages, only=()):
    """Take the figures.

    :param server: ``devkit.postgres.Server``; its commits are made durable while this runs
    :param rival_packages: folder into which OCA queue_job was installed
    :param only: names of figures to take; all when empty
    :return: list of ``{name, value, unit, bar, ok}``
    """
    rig = Rig(server, rival_packages)
    with server.durable_commits():
        base = database.base_template(server)
        addon = database.addon_template(server)
        say("The hub's and the rival's databases, from one template")
        hub = rig.make("hub", "psa_bench", addon)
        rig.script(hub, "hub_setup", contracts=CONTRACTS, people=PEOPLE)
        rival = rig.make("rival", "psa_bench_rival", base, rival=True)
        days = work_folder() / "days.json"
        days.write_text(json.dumps(timecards()))
        rig.script(rival, "rival_setup", rival=True, days=days)
        for name, take in FIGURES.items():
            if not only or name in only:
                say(f"{name}:")
                try:
                    take(rig, hub, rival, days)
                except Problem as problem:  # the other figures are still worth taking
                    say(str(problem))
                    rig.record(Figure(f"{name}_not_taken", 1, "", 0, higher=False))
        for name in (hub, rival):
            rig.drop(name)
    return list(rig.records.values())


def timecards():
    """The benchmark's timecards as plain dicts (the file is plain Python; its package needs Odoo)."""
    import importlib.util

    path = Path(__file__).resolve().parent / "addons" / "psa_bench" / "days.py"
    spec = importlib.util.spec_from_file_location("psa_bench_days", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module.day(number, CONTRACTS, PEOPLE) for number in range(COUNT)]


FIGURES = {
    "pipeline": throughput.pipeline,
    "webhook": throughput.webhook,
    "claim": volume.claim,
    "backfill": volume.backfill,
    "simulate": volume.simulate,
    "desk": volume.desk,
    "month_end": month_end.month_end,
    "kill": worst_case.kill,
    "race": worst_case.race,
    "neutralized": worst_case.neutralized,
    "queue": throughput.queue,
}
