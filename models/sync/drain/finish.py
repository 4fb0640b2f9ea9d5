"""The end of a batch: final states, exceptions, what wakes up and what has to be fetched."""

import logging
from collections import defaultdict
from datetime import timedelta

import psycopg2

from odoo import fields
from odoo.tools import SQL

from ..attempts import pause
from ..item import Outcome, shadow_key
from . import parents

#: Canonical fields that say when work was done, or money moved.
WORK_DAYS = ("work_date", "spent_on", "reached_on", "target_on", "paid_on", "arrives_on", "closed_on")

_logger = logging.getLogger(__name__)


def finish(batch):
    """Write the outcome of every claim; all in the batch's transaction."""
    for claim in batch.claims:
        if claim.outcome.state == "retry":
            _spend_attempt(batch, claim)
    _assess_risk(batch)
    risks = {claim: _company_risk(batch, claim) for claim in batch.claims}
    raised = _raise_exceptions(batch)
    left = _close_older(batch)
    _advance_unchanged(batch)
    _write_states(batch, raised, risks)
    _refresh_exceptions(batch, raised, left)
    parents.fetch_missing(batch)
    _wake(batch)


# === ATTEMPTS === #

def _spend_attempt(batch, claim):
    """Schedule the next attempt, or make it a dead letter."""
    connection, outcome = batch.connection, claim.outcome
    claim.attempt_count += 1
    if claim.attempt_count >= connection.attempt_limit:
        claim.outcome = Outcome(
            "dead", cause="dead_letter", key=claim.key, detail=outcome.detail, code=outcome.code,
            text=batch.env._(
                "%(record)s could not be applied in %(count)s attempts: %(reason)s",
                record=claim.name, count=claim.attempt_count, reason=outcome.text))
    else:
        outcome.delay = pause(
            claim.attempt_count, connection.retry_base_seconds, connection.retry_limit_seconds, outcome.delay)


# === MONEY AT RISK === #

def _assess_risk(batch):
    """Let the handlers say how much money each claim puts at risk that does not go through, all of its parts."""
    by_type = defaultdict(list)
    for claim in batch.claims:
        if claim.outcome.state in ("held", "waiting", "retry", "dead"):
            for item in claim.items:
                if item.values and item.amount is None:
                    by_type[item.canonical_type].append(item)
    for type_name, items in by_type.items():
        handler = batch.env["psa.apply"]._handler(type_name)
        try:
            with batch.env.cr.savepoint():
                handler._risk(items)
        except psycopg2.OperationalError:
            raise
        except Exception:  # the state must be written all the same; the log says what to mend
            _logger.exception("%s._risk failed: money at risk of %s records is unknown", handler._name, len(items))


def _company_risk(batch, claim):
    """Return the money at risk in the currency of the claim's company; 0 when it is not known."""
    if claim.outcome.state not in ("held", "waiting", "retry", "dead"):
        return 0.0
    company = _company(claim)
    total = 0.0
    for item in claim.items:
        if item.amount:
            currency = _currency(batch, item.currency) or company.currency_id
            total += currency._convert(
                abs(float(item.amount)), company.currency_id, company, fields.Date.context_today(company))
    return total


def _company(claim):
    return claim.items[0].company if claim.items else claim.company


def _currency(batch, currency):
    if not isinstance(currency, str):
        return currency
    return batch.env["res.currency"].with_context(active_test=False).search([("name", "=", currency)], limit=1)


# === EXCEPTIONS === #

def _raise_exceptions(batch):
    """Open or count the exceptions of held and dead claims. Return ``{claim: psa.exception}``."""
    stopped = [claim for claim in batch.claims if claim.outcome.cause]
    if not stopped:
        return {}
    known_causes = batch.env["psa.exception.cause"]._ids_by_code()
    specs = []
    for claim in stopped:
        outcome = claim.outcome
        record = outcome.record
        if outcome.cause not in known_causes:
            _logger.error("A handler held %s for the unknown cause %r", claim.key, outcome.cause)
            outcome.cause = "apply_error"
        specs.append({
            "cause": outcome.cause, "subject_key": outcome.key, "text": outcome.text, "detail": outcome.detail,
            "company_id": (outcome.company or _company(claim)).id, "connection_id": batch.connection.id,
            "res_model": record._name if record else None, "res_id": record.id if record else None,
            "choices": [[choice._name, choice.id] for choice in outcome.choices],
        })
    exceptions = batch.env["psa.exception"]._raise(specs)
    return {claim: exceptions[claim.outcome.cause, claim.outcome.key] for claim in stopped}


def _refresh_exceptions(batch, raised, left):
    """Sum the money of what was raised anew, and close what has lost its last message."""
    Exceptions = batch.env["psa.exception"]
    current = {exception.id for exception in raised.values()}
    left |= {claim.exception_id for claim in batch.claims if claim.exception_id}
    Exceptions.browse(sorted(current))._refresh_amounts()
    Exceptions.browse(sorted(left - current - {None}))._close_if_released()


def _close_older(batch):
    """Skip the older open messages of records that have a newer outcome. Return the ids of their exceptions."""
    ids, exception_ids = [], set()
    for claim, rows in batch.older.items():
        for row in rows:
            ends = ("done", "skipped") if row["state"] == "dead" else ("done", "skipped", "held", "waiting")
            if claim.outcome.state in ends:
                ids.append(row["id"])
                exception_ids.add(row["exception_id"])
    if ids:
        batch.env.cr.execute(SQL(
            """
            UPDATE psa_message SET state = 'skipped', skip_reason = 'superseded', wait_key = NULL,
                   next_attempt_at = NULL, exception_id = NULL, risk_amount = 0, done_at = %(now)s, write_date = %(now)s
             WHERE id = ANY(%(ids)s)
            """, now=fields.Datetime.now(), ids=ids))
    return exception_ids


# === STATES === #

def _write_states(batch, raised, risks):
    now = fields.Datetime.now()
    rows = []
    for claim in batch.claims:
        outcome = claim.outcome
        final = outcome.state in ("done", "skipped")
        rows.append((
            claim.id, outcome.state, outcome.reason,
            outcome.key if outcome.state in ("waiting", "held") else None,
            now + timedelta(seconds=outcome.delay) if outcome.state == "retry" else None,
            claim.attempt_count, raised[claim].id if claim in raised else None,
            outcome.text or _awaited_text(batch, outcome), outcome.code or None, risks[claim], claim.mapping_id,
            _company(claim).id, now if final else None, *_work_days(claim),
            _contract_id(batch, claim) if outcome.state in ("held", "waiting", "retry") else None,
        ))
    columns = [list(column) for column in zip(*rows, strict=True)]
    batch.env.cr.execute(SQL(
        """
        UPDATE psa_message
           SET state = new.state, skip_reason = new.skip_reason, wait_key = new.wait_key,
               next_attempt_at = new.next_attempt_at, attempt_count = new.attempt_count,
               exception_id = new.exception_id, error = new.error, error_code = new.error_code,
               risk_amount = new.risk_amount, mapping_id = COALESCE(new.mapping_id, psa_message.mapping_id),
               company_id = new.company_id, done_at = new.done_at,
               work_from = COALESCE(new.work_from, psa_message.work_from),
               work_to = COALESCE(new.work_to, psa_message.work_to),
               order_id = new.order_id,
               freed_from_id = CASE WHEN new.state = 'done' AND psa_message.exception_id IS NOT NULL
                                    THEN psa_message.exception_id ELSE psa_message.freed_from_id END,
               write_uid = %s, write_date = %s
          FROM unnest(%s::int[], %s::varchar[], %s::varchar[], %s::varchar[], %s::timestamp[], %s::int[], %s::int[],
                      %s::text[], %s::varchar[], %s::numeric[], %s::int[], %s::int[], %s::timestamp[], %s::date[],
                      %s::date[], %s::int[])
               AS new(id, state, skip_reason, wait_key, next_attempt_at, attempt_count, exception_id, error, error_code,
                      risk_amount, mapping_id, company_id, done_at, work_from, work_to, order_id)
         WHERE psa_message.id = new.id
        """, batch.env.uid, now, *columns))
    batch.env["psa.message"].invalidate_model()


def _work_days(claim):
    """Return the first and the last day of what a claim is about, None when it has none."""
    days = sorted(day for item in claim.items if item.values
                  if (day := next(filter(None, map(item.values.get, WORK_DAYS)), None)))
    return (days[0], days[-1]) if days else (None, None)


def _contract_id(batch, claim):
    """Return the id of the contract whose invoice waits for a claim, or None."""
    for item in claim.items:
        if contract := batch.env["psa.apply"]._contract(item):
            return contract.id
    return None


def _awaited_text(batch, outcome):
    if outcome.state != "waiting":
        return None
    if outcome.key == shadow_key(batch.connection.id):
        return batch.env._("Waits until %s goes live.", batch.connection.name)
    _record, _connection_id, object_type, external_id = outcome.key.split(":", 3)
    return batch.env._("Waits for %(object_type)s %(external_id)s.", object_type=object_type, external_id=external_id)


def _advance_unchanged(batch):
    """A record that came again without a change is known in its new version from now on."""
    rows = [
        (item.binding.id, item.source_version) for claim in batch.claims for item in claim.items
        if item.binding and item.outcome and item.outcome.reason == "unchanged" and item.source_version
        and claim.outcome.state in ("done", "skipped")
    ]
    if rows:
        ids, versions = zip(*rows, strict=True)
        batch.env.cr.execute(SQL(
            """
            UPDATE psa_binding SET source_version = new.version
              FROM unnest(%s::int[], %s::varchar[]) AS new(id, version) WHERE psa_binding.id = new.id
            """, list(ids), list(versions)))
        batch.env["psa.binding"].invalidate_model(["source_version"])


# === WAKE === #

def _wake(batch):
    """Let go what waited for the records of this batch, also for those that turned out not to exist."""
    for claim in batch.claims:
        if claim.operation == "delete" and claim.outcome.state in ("done", "skipped"):
            batch.woken.add(claim.key)
    batch.released = batch.env["psa.message"]._release(batch.woken)
