"""The conformance suite: what every connector must do, whoever the vendor is.

A case is a function ``case(rig, vendor)``: ``vendor`` is a fresh stand-in. :data:`CASES` lists them in the order of the
matrix in ``docs/connectors/README.md``; those of :data:`ENGINE_CASES` need the engine and run in Odoo
(``tests/test_conformance_webhook.py``).
"""

CASES = {}
ENGINE_CASES = {
    "webhook_duplicate": "The same delivery twice has one effect",
    "webhook_reordered": "Deliveries out of order end in the newest",
    "webhook_burst": "10,000 events in a burst are all stored",
}


def case(title):
    """Register a case under its function's name."""
    def register(function):
        CASES[function.__name__] = (title, function)
        return function
    return register


from . import login, reading, failures, webhook, writing, care  # noqa: E402
