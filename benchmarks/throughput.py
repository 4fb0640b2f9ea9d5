"""How fast: the pipeline, the queue and the webhook, each beside its rival in the same run."""

from .rig import Figure, median
from .timing import drain_rate, request_rates

CONTRACTS, PEOPLE, COUNT = 10, 40, 5000
NOOPS = 2000
RIVAL_SAMPLE = 1000
RIVAL_DONE = "SELECT COUNT(*) FROM queue_job WHERE state = 'done'"
RIVAL_SERVER = {"rival": True, "workers": 2, "variables": {"ODOO_QUEUE_JOB_CHANNELS": "root:2"}}
RIVAL_ARGUMENTS = ("--load=base,rpc,web,queue_job",)
HUB_SERVER = {"workers": 1, "cron_threads": 2}


def pipeline(rig, hub, rival, days):
    """5,000 approved timecards through queue, mapping, binding, timesheet and entry."""
    copy = rig.copy(hub, "pipeline")
    rates = rig.script(copy, "hub_pipeline", contracts=CONTRACTS, people=PEOPLE, count=COUNT, rounds=5)
    rig.drop(copy)
    ratios = [ours / bare for ours, bare in zip(rates["pipeline"], rates["bulk"], strict=True)]
    rig.record(
        Figure("bulk_create_rate", median(rates["bulk"]), "timesheets/s"),
        Figure("pipeline_rate", median(rates["pipeline"]), "timecards/s"),
        Figure("pipeline_vs_bulk_create", median(ratios), "ratio", 0.5))

    copy = rig.copy(hub, "pipeline")
    rig.script(copy, "hub_receive", kind="time", count=COUNT, contracts=CONTRACTS, people=PEOPLE, batch=500)
    ours = _served(rig, copy, "pipeline", "SELECT COUNT(*) FROM psa_entry WHERE kind = 'time'", COUNT)
    rig.drop(copy)
    rig.script(rival, "rival_timesheets", rival=True, days=days, count=RIVAL_SAMPLE)
    theirs = _served_rival(rig, rival, RIVAL_SAMPLE)
    rig.record(
        Figure("pipeline_rate_two_workers", ours, "timecards/s"),
        Figure("queue_job_timecard_rate", theirs, "timecards/s"),
        Figure("pipeline_vs_queue_job", ours / theirs, "ratio", 8))


def queue(rig, hub, rival, days):
    """Empty messages: what the queue itself costs, at one commit a message and in batches."""
    single, batch, theirs = [], [], []
    for _round in range(2):
        for rates, size in ((single, 1), (batch, 500)):
            copy = rig.copy(hub, "noop")
            count = NOOPS if size == 1 else NOOPS * 5
            rig.script(copy, "hub_receive", kind="noop", count=count, batch=size)
            rates.append(_served(rig, copy, "noop", "SELECT COUNT(*) FROM psa_message WHERE object_type = 'Noop' "
                                                    "AND state = 'done'", count))
            rig.drop(copy)
        rig.script(rival, "rival_noops", rival=True, count=NOOPS)
        theirs.append(_served_rival(rig, rival, NOOPS))
    rig.record(
        Figure("queue_noop_rate", median(single), "messages/s"),
        Figure("queue_noop_batch_rate", median(batch), "messages/s"),
        Figure("queue_job_noop_rate", median(theirs), "jobs/s"),
        Figure("queue_noop_vs_queue_job", median([a / b for a, b in zip(single, theirs, strict=True)]), "ratio", 3),
        Figure("queue_noop_batch_vs_queue_job", median([a / b for a, b in zip(batch, theirs, strict=True)]),
               "ratio", 10))


def webhook(rig, hub, rival, days):
    """The webhook route against a bare route that inserts and commits one row; 100 events against one."""
    copy = rig.copy(hub, "webhook")
    token = rig.query(copy, "SELECT webhook_token FROM psa_connection")[0][0]
    hook = {"path": f"/psa_hub/webhook/{token}", "secret": "bench-secret"}
    with rig.serving(copy, "webhook", workers=2, cron_threads=0) as server:
        rates = request_rates(rig, server.url, {
            "webhook": {**hook, "events": 1},
            "insert": {"path": "/psa_bench/insert"},
            "nothing": {"path": "/psa_bench/nothing"},
        }, clients=4, seconds=6, rounds=3)
        sizes = request_rates(rig, server.url, {
            "one": {**hook, "events": 1}, "hundred": {**hook, "events": 100},
        }, clients=1, seconds=6, rounds=3)
    rig.drop(copy)
    ratios = [ours / bare for ours, bare in zip(rates["webhook"], rates["insert"], strict=True)]
    rig.record(
        Figure("webhook_rate", median(rates["webhook"]), "requests/s"),
        Figure("insert_route_rate", median(rates["insert"]), "requests/s"),
        Figure("nothing_route_rate", median(rates["nothing"]), "requests/s"),
        Figure("webhook_vs_insert_route", median(ratios), "ratio", 0.7),
        Figure("webhook_100_events_vs_1", median([
            one / hundred for one, hundred in zip(sizes["one"], sizes["hundred"], strict=True)]),
            "ratio of time", 3, higher=False))


def _served(rig, database, purpose, statement, wanted):
    with rig.serving(database, purpose, **HUB_SERVER):
        return drain_rate(rig, database, statement, wanted)


def _served_rival(rig, database, wanted):
    with rig.serving(database, "rival", *RIVAL_ARGUMENTS, **RIVAL_SERVER):
        return drain_rate(rig, database, RIVAL_DONE, wanted)
