"""How much: the claim in a queue of a million, the memory of a worker over a long back-fill, the desk over millions."""

import os

from .rig import Figure


def claim(rig, hub, rival, days):
    """Claiming a batch of 500 from 1,000 and from 1,000,000 pending messages."""
    copy = rig.copy(hub, "claim")
    seconds = rig.script(copy, "hub_claim")
    rig.drop(copy)
    rig.record(
        Figure("claim_1k_ms", seconds["small"] * 1000, "ms"),
        Figure("claim_1m_ms", seconds["large"] * 1000, "ms"),
        Figure("claim_1m_vs_1k", seconds["large"] / seconds["small"], "ratio", 1.5, higher=False))


def backfill(rig, hub, rival, days):
    """Growth of one worker's resident memory over 100,000 records, read and applied, after the first 5,000."""
    copy = rig.copy(hub, "backfill")
    result = rig.script(copy, "hub_backfill", records=100_000, first=5_000)
    rig.drop(copy)
    rig.record(
        Figure("backfill_rate", result["rate"], "records/s"),
        Figure("backfill_memory_mb", result["growth_mb"], "MB", 50, higher=False))


def simulate(rig, hub, rival, days):
    """A field map that changes the hours of 10,000 timecards: both versions, applied by the handlers, taken back."""
    copy = rig.copy(hub, "simulate")
    result = rig.script(copy, "hub_simulate", contracts=10, people=40, count=10_000)
    rig.drop(copy)
    rig.record(Figure("simulate_10k_s", result["seconds"], "s", 120, higher=False))


def desk(rig, hub, rival, days):
    """What a finance person opens first, over 500,000 exceptions and 5,000,000 messages.

    ``PSA_BENCH_DESK_SHARE`` takes a share of that on a small machine (0.1: a tenth); the figures' names stay.
    """
    share = float(os.environ.get("PSA_BENCH_DESK_SHARE", "1"))
    copy = rig.copy(hub, "desk")
    seconds = rig.script(copy, "hub_desk", exceptions=int(500_000 * share), messages=int(5_000_000 * share))
    rig.drop(copy)
    rig.record(
        Figure("desk_opens_s", seconds["cards"] + seconds["rows"], "s", 1, higher=False),
        *(Figure(f"desk_{name}_s", taken, "s", 1, higher=False) for name, taken in seconds.items()))
