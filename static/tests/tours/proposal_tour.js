import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_proposal", {
    url: "/odoo/psa-proposals",
    steps: () => [
        { trigger: ".o_data_row:contains('Analytical Engines') .o_data_cell[name=partner_id]", run: "click" },
        { content: "what is billed", trigger: ".o_field_widget[name=in_line_ids] .o_data_row:contains('Ada')" },
        { content: "its total by Odoo's own tax code", trigger: ".o_field_widget[name=amount_untaxed]:contains('800.00')" },
        { content: "what is held, and why", trigger: ".nav-link:contains('Held')", run: "click" },
        { trigger: ".o_field_widget[name=held_line_ids] .o_data_row" },
        { content: "approve makes the draft invoice and shows it", trigger: "button[name=action_approve]", run: "click" },
        { trigger: ".o_form_view .o_field_widget[name=invoice_line_ids] .o_data_row" },
        { trigger: ".o_field_widget[name=tax_totals]:contains('800.00')" },
        { content: "the entries behind it", trigger: "button[name=action_psa_entries]:contains('1')" },
        { content: "back to the proposal", trigger: ".o_back_button", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Approved')" },
    ],
});
