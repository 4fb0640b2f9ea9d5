"""What the parts of the entry's life agree on: sources by kind, and which reasons are exceptions."""

# The field that names what an entry stands for, by kind. A price difference stands for nothing at the source: it comes
# from an amendment and names the entry that it corrects (one for each amendment: see models/amendments/difference.py).
SOURCE_FIELDS = {
    "time": "analytic_line_id",
    "expense": "expense_id",
    "milestone": "milestone_id",
    "fee": "fee_line_id",
    "progress": "charge_id",
    "recurring": "charge_id",
    "retainer": "charge_id",
    "pass_through": "vendor_line_id",
    "adjustment": "origin_entry_id",
}
# Reasons that a person, a payment or new data can lift, and the exception each raises.
HELD_CAUSES = {
    "missing_rate": "missing_rate",
    "no_line": "no_contract",
    "currency_mismatch": "currency_mismatch",
    "missing_exchange_rate": "missing_exchange_rate",
    "cap_reached": "cap_reached",
    "po_missing": "purchase_order_missing",
    "po_expired": "purchase_order_expired",
    "po_used_up": "purchase_order_expired",
    "acceptance_missing": "acceptance_missing",
    "evidence_missing": "evidence_missing",
    "expense_policy": "expense_policy",
    "receipt_missing": "receipt_missing",
    "bill_not_in": "vendor_bill_missing",
    "retainer_empty": "retainer_empty",
    "late_arrival": "late_arrival",
    "wrong_entity": "wrong_entity",
}
# Of those: what leaves even the price unknown.
UNPRICED = ("missing_rate", "no_line", "currency_mismatch", "missing_exchange_rate")
# Reasons that follow from the contract's terms and are worked out anew each time.
DERIVED = {*HELD_CAUSES, "drawn", "written_off", "policy_excluded", "per_diem"}
# Bulk writes: no tracking, no mail.
HUSH = {"tracking_disable": True, "mail_create_nolog": True, "mail_notrack": True, "sale_no_log_for_new_lines": True}


def id_of(value):
    """Return the id of a single record, an id, or None."""
    if not value:
        return None
    return value if isinstance(value, int) else value.id
