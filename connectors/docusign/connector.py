"""The DocuSign connector: ties login, reading and webhook to the connector contract."""

import json
from pathlib import Path

from ..base import Connector
from . import auth, checks, declaration, webhook
from .reader import Reader


class DocuSignConnector(Connector):
    """Envelopes with their signed documents."""

    code = "docusign"
    label = "DocuSign"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    streams = declaration.STREAMS
    has_webhook = True
    webhook_secrets = declaration.WEBHOOK_SECRETS
    #: 2,400 an hour: all apps of an account share 3,000, and a fifth is left to the others. A fifth of the budget may
    #: go at once (24), so that no 30 seconds see more than 44 of the 200 calls that a developer account allows.
    rate_budget = (120, 180)
    not_applicable = declaration.NOT_APPLICABLE

    def default_mappings(self):
        return json.loads(Path(__file__).with_name("mappings.json").read_text(encoding="utf-8"))

    def check(self, session):
        return checks.check(session, self.streams[0])

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        return Reader(session, stream.object_type).page(cursor, options)

    def fetch_records(self, session, stream, external_ids):
        return Reader(session, stream.object_type).by_ids(external_ids)

    # === WEBHOOK === #

    def verify_webhook(self, secrets, settings, request, now):
        return webhook.read(secrets, settings, request, self.streams[0])

    # === CONSENT === #

    def authorize_url(self, settings, credentials, redirect_uri, state, code_challenge):
        return auth.authorize_url(settings, credentials, redirect_uri, state)

    def exchange_code(self, session, code, redirect_uri, code_verifier):
        return auth.exchange_code(session, code)
