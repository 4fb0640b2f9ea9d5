import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_dashboard", {
    url: "/odoo/psa-hub",
    steps: () => [
        { content: "the money that waits is on top", trigger: ".o_psa_tile_danger .o_psa_tile_money:contains('1,500.00')" },
        { content: "the dearest cause is first", trigger: ".o_psa_bar_row:first:contains('No price for this work'):contains('1,200.00')" },
        { content: "the connection shows what it holds", trigger: ".o_psa_connection:contains('Fake'):contains('3 held')" },
        { content: "open the cause", trigger: ".o_psa_bar_row:contains('Belongs to a record that does not exist')", run: "click" },
        { content: "only its exceptions are listed", trigger: ".o_list_view .o_data_row:contains('Account A1 is missing.')" },
        { trigger: ".o_facet_values:contains('Belongs to a record that does not exist')" },
        { content: "back to the dashboard", trigger: ".o_menu_sections [data-menu-xmlid='psa_hub.menu_dashboard']", run: "click" },
        { content: "to the cause cards", trigger: ".o_psa_tile_danger", run: "click" },
        { content: "one card per cause with its money", trigger: ".o_kanban_record:contains('No price for this work'):contains('1,200.00')", run: "click" },
        { trigger: ".o_list_view .o_data_row:contains('Ada')" },
    ],
});
