"""Handlers at work: in one savepoint, and in halves of the batch when something fails."""

import logging
import traceback

import psycopg2
from psycopg2.errors import UniqueViolation

from odoo.exceptions import LockError, UserError

from ....connectors import canonical
from ..item import DELETE, MERGE, UPSERT, Outcome
from ..psa_apply import PsaApplyError
from . import binding_write, parents, translate

_logger = logging.getLogger(__name__)

_METHODS = {UPSERT: "_apply", DELETE: "_delete", MERGE: "_merge"}


class RaceLost(Exception):
    """Another transaction has just made what this one was about to make: try again with a new snapshot."""


class _Rejected(Exception):
    """A claim turned out to be blocked after parts of it were applied: undo, and go on without it."""

    def __init__(self, claim, outcome):
        super().__init__(outcome.text)
        self.claim = claim
        self.outcome = outcome


def apply(batch):
    """Apply all open claims; afterwards every claim has an outcome.

    Parents come before children, whatever the order of arrival.
    """
    claims = sorted(batch.open_claims(), key=lambda claim: (claim.sequence, claim.id))
    if claims:
        _apply_or_split(batch, claims)


def _apply_or_split(batch, claims):
    """Apply ``claims`` in a savepoint; after an error undo all and try each half, until the bad ones stand alone."""
    known = dict(batch.resolved), set(batch.woken)
    try:
        with batch.env.cr.savepoint():
            _apply_set(batch, claims)
        return
    except psycopg2.OperationalError:
        raise  # conflicts and lost connections end the transaction
    except _Rejected as rejected:
        _undo(batch, claims, known)
        rejected.claim.outcome = rejected.outcome
        rest = [claim for claim in claims if claim is not rejected.claim]
    except Exception as error:
        if isinstance(error, UniqueViolation) and not batch.trust_unique:
            raise RaceLost(str(error)) from error
        _undo(batch, claims, known)
        culprit = error.item.claim if isinstance(error, PsaApplyError) and error.item else None
        if culprit is None and len(claims) > 1:
            middle = len(claims) // 2
            _apply_or_split(batch, claims[:middle])
            _apply_or_split(batch, claims[middle:])
            return
        culprit = culprit or claims[0]
        culprit.outcome = _judge(batch, culprit, error)
        rest = [claim for claim in claims if claim is not culprit]
    if rest:
        _apply_or_split(batch, rest)


def _undo(batch, claims, known):
    """Forget in memory what the rollback has undone in the database."""
    batch.resolved, batch.woken = dict(known[0]), set(known[1])
    batch.missing = {}
    for claim in claims:
        claim.reset()


def _apply_set(batch, claims):
    by_type = {}
    for claim in claims:
        for item in claim.items:
            if item.ok:
                by_type.setdefault(item.canonical_type, []).append(item)
    for type_name in sorted(by_type, key=lambda name: canonical.TYPES[name].sequence):
        _apply_type(batch, type_name, by_type[type_name])
    for claim in claims:
        claim.outcome = _conclude(claim)


def _apply_type(batch, type_name, items):
    handler = batch.env["psa.apply"]._handler(type_name)
    items = [item for item in items if item.claim.blocked() is None]
    if handler._books and batch.connection.is_shadow:
        for item in items:
            item.wait_to_go_live()
    living = [item for item in items if item.ok and item.operation != DELETE]
    parents.attach(batch, living)
    translate.translate(batch, [item for item in living if item.ok and item.operation == UPSERT])
    for operation, method in _METHODS.items():
        group = [item for item in items if item.ok and item.operation == operation]
        if group and operation == UPSERT:
            handler._prepare(group)
        if operation != MERGE:
            batch.env["psa.apply"]._settle_ownership([item for item in group if item.ok])
        if operation == DELETE:
            _keep_shared(group)
        elif operation == MERGE:
            _keep_apart(group)
        group = [item for item in group if item.ok and item.claim.blocked() is None]
        if group:
            getattr(handler, method)(group)
            if undecided := [item for item in group if item.ok]:
                raise RuntimeError(f"{handler._name}.{method} left {undecided[0].key} without an outcome")
    for claim in {item.claim for item in items}:
        blocker = claim.blocked()
        if blocker is not None and any(item.outcome and item.outcome.state == "done" for item in claim.items):
            raise _Rejected(claim, blocker.outcome)
    done = [item for item in items if item.outcome is not None and item.outcome.state == "done"]
    binding_write.write(batch, handler, done)


def _keep_shared(items):
    """A record that another system owns stays as it is when this one deletes its own."""
    for item in items:
        if item.writes != "source":
            item.done(item.record)


def _keep_apart(items):
    """A merge of what a person has split is not followed, however often the source tells of it."""
    for item in items:
        if item.binding and item.values["winner"].external_id in (item.binding.split_from or ()):
            item.skip("out_of_scope")


def _conclude(claim):
    """Return what becomes of a claim whose items all have been looked at."""
    blocker = claim.blocked()
    if blocker is not None:
        return blocker.outcome
    if any(item.outcome.state == "done" for item in claim.items):
        return Outcome("done")
    reasons = [item.outcome.reason for item in claim.items]
    return Outcome("skipped", reason=next((reason for reason in reasons if reason != "unchanged"), "unchanged"))


def _judge(batch, claim, error):
    """Return the outcome of a claim that fails alone."""
    detail = "".join(traceback.format_exception(error))
    record = claim.name
    if isinstance(error, PsaApplyError):
        return Outcome("held", cause=error.cause, text=str(error), key=claim.key, code=error.cause)
    if isinstance(error, UserError) and not isinstance(error, LockError):
        text = batch.env._("Odoo refuses %(record)s: %(reason)s", record=record, reason=error.args[0])
    elif isinstance(error, (psycopg2.IntegrityError, psycopg2.DataError)):
        text = batch.env._("Odoo refuses %(record)s: %(reason)s", record=record, reason=_database_reason(batch, error))
    else:
        _logger.warning("Applying %s of connection %s failed", record, claim.connection.id, exc_info=error)
        return Outcome("retry", text=f"{type(error).__name__}: {error}", detail=detail, code=type(error).__name__,
                       delay=getattr(error, "retry_after", None))
    return Outcome("held", cause="apply_error", text=text, key=claim.key, detail=detail, code=type(error).__name__)


def _database_reason(batch, error):
    """Return what the violated constraint says to people."""
    for model_name, model_class in batch.env.registry.items():
        if error.diag.table_name and model_class._table == error.diag.table_name and not model_class._abstract:
            return batch.env[model_name]._sql_error_to_message(error)
    return (error.diag.message_primary or str(error)).strip()
