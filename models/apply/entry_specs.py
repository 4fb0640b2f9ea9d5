"""What apply handlers tell billing: entry specs of source records, and their withdrawal."""

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
    """Bring the entries of the source records in ``specs`` up to date (see ``psa.entry._sync``)."""
    if specs:
        env["psa.entry"]._sync(kind, specs)


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
