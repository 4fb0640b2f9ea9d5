"""What apply handlers tell billing: entry specs of source records, and their withdrawal."""

from odoo.tools import SQL

# Words by which sources say that an approver sent a record back.
_REJECTED = {"rejected", "declined", "refused", "denied"}
_SOURCE_FIELDS = {"time": "analytic_line_id", "expense": "expense_id", "milestone": "milestone_id"}


def source_block(values):
    """Return what the source says against billing the record: ``billed``, ``excluded``, ``held`` or ``""``."""
    for block in ("billed", "excluded", "held"):
        if values[f"{block}_at_source"]:
            return block
    return ""


def is_rejected(values):
    """True when an approver sent the record back: then it is nobody's, neither cost nor revenue."""
    return not values["approved"] and (values["status"] or "").strip().lower() in _REJECTED


def tell_billing(env, kind, specs):
    """Bring the entries of the source records in ``specs`` up to date (see ``psa.entry._sync``).

    A record that the source calls billed because the hub told it so is not blocked: one day of a timecard may be on an
    invoice while another one of it is still to come. ``source_billed_number`` says whose number it is.
    """
    if not specs:
        return
    told = _invoices_of_contracts(env, specs)
    for spec in specs:
        if spec.get("source_blocked") == "billed":
            numbers = set(_numbers(spec))
            if numbers and numbers <= told.get(_order_id(spec), set()):
                spec["source_blocked"] = ""
    env["psa.entry"]._sync(kind, specs)


def _numbers(spec):
    return [number.strip() for number in (spec.get("source_billed_number") or "").split(",") if number.strip()]


def _order_id(spec):
    order = spec.get("order_id")
    return order if isinstance(order, int) else order and order.id


def _invoices_of_contracts(env, specs):
    """Return ``{order id: numbers of its invoices that the hub made}`` as far as the sources name them."""
    blocked = [spec for spec in specs if spec.get("source_blocked") == "billed" and spec.get("order_id")]
    numbers = sorted({number for spec in blocked for number in _numbers(spec)})
    if not numbers:
        return {}
    env["psa.allocation"].flush_model()
    env["account.move"].flush_model(["name"])
    # The few invoices first: without statistics the planner would rather start from all entries of the contracts.
    rows = env.execute_query(SQL(
        """
        WITH invoice AS MATERIALIZED (SELECT id, name FROM account_move WHERE name = ANY(%s))
        SELECT DISTINCT entry.order_id, invoice.name
          FROM invoice
          JOIN psa_allocation allocation ON allocation.move_id = invoice.id
          JOIN psa_entry entry ON entry.id = allocation.entry_id
         WHERE entry.order_id = ANY(%s)
        """, numbers, sorted({_order_id(spec) for spec in blocked})))
    told = {}
    for order_id, number in rows:
        told.setdefault(order_id, set()).add(number)
    return told


def withdraw(env, kind, records, rejected=False):
    """Withdraw the entries of ``records``, which the source deleted, emptied or sent back.

    :param rejected: an approver sent them back; else they are gone
    :return: those of ``records`` that are on an invoice: they stay, and billing has reported the difference
    """
    if not records:
        return records
    field = _SOURCE_FIELDS[kind]
    entries = env["psa.entry"].sudo().search([(field, "in", records.ids)])
    tell_billing(env, kind, [
        {
            **entry._as_spec(), "standing": None, "approved": False,
            # Never approved cannot be rejected after approval: then it is simply gone.
            "deleted": not (rejected and entry.approved_at),
        }
        for entry in entries
    ])
    return records.browse(entries.filtered(lambda entry: entry.billing_state != "to_bill")[field].ids)
