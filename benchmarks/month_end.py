"""The month-end: from approved entries of 500 contracts to approved proposals with their draft invoices."""

from .rig import Figure

CONTRACTS = 500
SMALL, LARGE = 10_000, 100_000


def month_end(rig, hub, rival, days):
    """Propose, submit and approve 10,000 and 100,000 entries, on a database each, in three transactions."""
    results = {}
    for entries in (SMALL, LARGE):
        copy = rig.copy(hub, "month_end")
        results[entries] = rig.script(copy, "hub_month_end", contracts=CONTRACTS, entries=entries)
        rig.drop(copy)
    small, large = results[SMALL], results[LARGE]
    rig.record(
        Figure("month_end_entries_per_s", LARGE / large["seconds"], "entries/s"),
        Figure("month_end_memory_mb", large["growth_mb"], "MB"),
        Figure("month_end_growth", large["seconds"] / small["seconds"], "ratio", 12, higher=False))
