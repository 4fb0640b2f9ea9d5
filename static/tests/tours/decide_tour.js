import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_uncertain_party", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('may be') button[name=action_fix]", run: "click" },
        { content: "the candidates, with what tells them apart", trigger: ".modal .o_field_widget[name=candidate_ids] .o_data_row:contains('Bremen')" },
        { content: "the likeliest is chosen", trigger: ".modal .o_field_radio input:checked" },
        { trigger: ".modal .o_field_radio .o_radio_item:contains('Hamburg Twin') input", run: "click" },
        { trigger: ".modal button[name=action_link]", run: "click" },
        { trigger: "body:not(:has(.modal))" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_new_party", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('may be') button[name=action_fix]", run: "click" },
        { trigger: ".modal button[name=action_create_new]", run: "click" },
        { trigger: "body:not(:has(.modal))" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_another_one", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('brought the same') .o_data_cell[name=name]", run: "click" },
        { trigger: ".o_form_view button[name=action_is_same]" },
        { trigger: ".o_form_view button[name=action_is_another]", run: "click" },
        { trigger: ".modal .o_field_widget[name=reason] textarea", run: "edit Two shifts" },
        { trigger: ".modal button[name=action_confirm]", run: "click" },
        { trigger: "body:not(:has(.modal))" },
    ],
});
