import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_map_unknown_value", {
    url: "/odoo/psa-unknown-values",
    steps: () => [
        { content: "what it probably means", trigger: ".o_data_row:contains('Senior Consultnt') .o_data_cell[name=suggestion_name]:contains('Senior Consultant')" },
        { content: "and what waits for it", trigger: ".o_data_row:contains('Senior Consultnt') .o_data_cell[name=risk_amount]:contains('300.00')" },
        { trigger: ".o_data_row:contains('Senior Consultnt') button[name=action_use_suggestion]", run: "click" },
        { content: "nothing is unknown any more", trigger: ".o_view_nocontent:contains('Every value is mapped')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_mapping_change", {
    url: "/odoo/psa-mappings",
    steps: () => [
        { trigger: ".o_data_row:contains('Accounts') .o_data_cell[name=stream_id]", run: "click" },
        { content: "what is in force is not edited", trigger: ".o_form_view .alert-info:contains('An approved version is never edited')" },
        { trigger: "button[name=action_new_version]", run: "click" },
        { content: "a draft of it", trigger: ".o_statusbar_status .o_arrow_button_current:contains('Draft')" },
        { content: "the record as it came", trigger: ".o_psa_sample:contains('Title')" },
        { trigger: ".o_field_widget[name=line_ids] .o_data_row:first .o_data_cell[name=path]", run: "click" },
        { trigger: ".o_field_widget[name=line_ids] .o_selected_row .o_field_widget[name=path] input", run: "edit Title && press Tab" },
        { content: "the result follows at once", trigger: ".o_field_widget[name=line_ids] .o_data_row:first [name=result]:contains('Alpha Holding')" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
        { trigger: "button[name=action_simulate]:contains('Simulate')", run: "click" },
        { trigger: "button[name=action_run]", run: "click" },
        { content: "what would change", trigger: ".alert-info:contains('1 of 1 records would change')" },
        { trigger: "button[name=action_open_mapping]", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Simulated')" },
        { content: "who made it does not approve it", trigger: ".o_form_view:not(:has(button[name=action_approve]))" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_mapping_approve", {
    url: "/odoo/psa-mappings-to-approve",
    steps: () => [
        { trigger: ".o_data_row:contains('Simulated') .o_data_cell[name=stream_id]", run: "click" },
        { content: "what it would change", trigger: "button[name=action_open_simulation]" },
        { trigger: "button[name=action_approve]", run: "click" },
        { trigger: ".modal .btn-primary", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('In force')" },
    ],
});
