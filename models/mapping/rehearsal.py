"""Apply stored messages in the database, look what it changed, and take it back."""

from collections import Counter
from contextlib import contextmanager

from odoo.tools import SQL

from ..sync.drain import Batch
from ..sync.item import Claim
from ..sync.psa_lane import CLAIMED
from ..sync.worker import Turn
from .worth import Worth, snapshot, tax_of

_PAIRS = ("count", "amount", "tax", "held", "total")


@contextmanager
def undone(env):
    """Run the block in a savepoint that is always rolled back, with what it wanted to do around the commit.

    Locks that the block takes are given back too. What it learnt must leave it as plain values.
    """
    cr = env.cr
    env.flush_all()
    queues = [cr.precommit, cr.postcommit, cr.prerollback, cr.postrollback]
    kept = [(queue, list(queue._funcs), dict(queue.data)) for queue in queues]
    savepoint = cr.savepoint()
    try:
        yield
    finally:
        savepoint.close(rollback=True)
        env.invalidate_all(flush=False)
        for queue, functions, data in kept:
            queue.clear()
            for function in functions:
                queue.add(function)
            queue.data.update(data)


def rehearse(env, connection, message_ids, mappings=dict):
    """Apply ``message_ids`` of ``connection`` once more and take it back.

    :param mappings: called inside what is taken back; returns ``{stream id: id of the field map to read with}``, for
        other streams the one in force counts
    :return: ``(rows, stopped)``: dicts with the fields of ``psa.mapping.simulation.line`` of the contracts on which
        something would change, the largest change first; a Counter of sentences of what would be held
    """
    turn = Turn(connection)
    before = snapshot(env, turn.company_ids)
    with undone(env):
        trial = mappings()
        env["psa.message"].browse(message_ids)._replay()
        stopped = _apply_all(env, turn, trial, message_ids)
        after = snapshot(env, turn.company_ids)
        keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        tax_after = tax_of(env, {key: after[key] for key in keys if key in after})
        names = _names(env, keys)
    tax_before = tax_of(env, {key: before[key] for key in keys if key in before})
    return _rows(env, keys, (before, after), (tax_before, tax_after), names), stopped


def _apply_all(env, turn, mappings, message_ids):
    """Work on the replays of ``message_ids`` as a worker does, batch by batch; count what does not go through."""
    env = env["psa.lane"]._working_env(turn)
    connection = env["psa.connection"].browse(turn.connection_id)
    company = env["res.company"].browse(turn.company_id)
    replays = [message_id for (message_id,) in env.execute_query(SQL(
        "SELECT id FROM psa_message WHERE origin_message_id = ANY(%s) AND state = 'pending' AND origin = 'replay' "
        "ORDER BY id", message_ids))]
    stopped = Counter()
    for start in range(0, len(replays), turn.batch_size):
        rows = env.execute_query_dict(SQL(
            "SELECT %s FROM psa_message WHERE id = ANY(%s) AND state = 'pending' ORDER BY id",
            CLAIMED, replays[start:start + turn.batch_size]))
        claims = [Claim(env["psa.message"].browse(row["id"]), connection, company, row) for row in rows]
        batch = Batch(env, connection, claims, trust_unique=True, mappings=mappings)
        batch.run()
        for claim in batch.claims:
            if claim.items and claim.outcome.state not in ("done", "skipped"):
                stopped[claim.outcome.text or env._("Waits for another record.")] += 1
        env.flush_all()
        env.invalidate_all()
    return stopped


def _names(env, keys):
    """Return ``{key: (contract, customer id, customer)}`` while they are in the database."""
    orders = env["sale.order"].browse({order_id for order_id, _currency_id in keys})
    return {(order.id, order.currency_id.id): (order.name, order.partner_id.id, order.partner_id.display_name)
            for order in orders.exists()}


def _rows(env, keys, worths, taxes, names):
    orders = set(env["sale.order"].browse({order_id for order_id, _currency in keys}).exists().ids)
    partners = set(env["res.partner"].browse({name[1] for name in names.values()}).exists().ids)
    rows = []
    for key in keys:
        currency = env["res.currency"].browse(key[1])
        old, new = (moment.get(key, Worth()) for moment in worths)
        figures = {
            "count": (old.count, new.count), "amount": (old.amount, new.amount), "held": (old.held, new.held),
            "tax": tuple(moment.get(key, 0.0) for moment in taxes), "total": (old.total, new.total)}
        if all(figures[pair][0] == figures[pair][1] for pair in _PAIRS) and old.partner == new.partner:
            continue
        name, partner_id, partner_name = names.get(key, ("", 0, ""))
        values = {f"{pair}_{moment}": figures[pair][index]
                  for pair in _PAIRS for index, moment in enumerate(("before", "after"))}
        rows.append({
            **values, "currency_id": currency.id, "order_name": name, "partner_name": partner_name,
            "amount_change": currency.round(new.amount - old.amount),
            "tax_change": currency.round(values["tax_after"] - values["tax_before"]),
            "order_id": key[0] if key[0] in orders else False,
            "partner_id": partner_id if partner_id in partners else False})
    return sorted(rows, key=lambda row: -abs(row["amount_change"]))
