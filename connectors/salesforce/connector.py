"""The Salesforce connector: ties login, client, reading and writing to the connector contract."""

from ..base import Connector
from . import declaration


class SalesforceConnector(Connector):
    code = "salesforce"
    label = "Salesforce"
    auth_methods = declaration.AUTH_METHODS
    settings = declaration.SETTINGS
    streams = declaration.STREAMS
    outbound = declaration.OUTBOUND
    has_webhook = True
    rate_budget = (25, 1)

    def default_mappings(self):
        return declaration.read_data(__file__, "mappings.json")

    def default_value_maps(self):
        return declaration.read_data(__file__, "value_maps.json")
