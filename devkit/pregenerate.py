"""Run inside `odoo shell` on a template database: build the asset bundles that every browser test asks for."""

SCRIPTS = ("web.assets_web", "web.assets_tests", "bus.websocket_worker_assets", "web_tour.automatic",
           "web.assets_emoji")
STYLES = ("web.assets_web", "web.assets_web_print", "web.assets_tests")

for bundle in SCRIPTS:
    env["ir.qweb"]._get_asset_bundle(bundle, css=False, js=True).js()
for bundle in STYLES:
    env["ir.qweb"]._get_asset_bundle(bundle, css=True, js=False).css()
env.cr.commit()
