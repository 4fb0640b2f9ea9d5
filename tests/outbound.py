class OutboundMixin:
    """For tests that call out (to 127.0.0.1): Odoo's guard of outgoing calls reads the time-out as one number, while
    ours is a pair (connect, read)."""

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        if isinstance(options.get("timeout"), tuple):
            options["timeout"] = max(options["timeout"])
        return super()._request_handler(session, request, **options)
