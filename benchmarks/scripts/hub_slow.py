"""One message that takes long, so that its worker can be killed while it has it in hand."""

from odoo.addons.psa_hub.connectors.base import RawRecord

connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream = connection.stream_ids.filtered(lambda item: item.code == "noop" and item.direction == "in")
env["psa.message"]._receive(stream, [RawRecord("Noop", "slow", "", {"name": "slow"})], "pull")
env.cr.commit()
