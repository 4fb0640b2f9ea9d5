import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_connection", {
    url: "/odoo/psa-connections",
    steps: () => [
        { trigger: ".o-kanban-button-new", run: "click" },
        { trigger: ".o_field_widget[name=name] input", run: "edit Fake of the tour" },
        { trigger: ".o_field_widget[name=connector_code] input", run: "click" },
        { trigger: ".o_select_menu_item:contains('Fake Vendor')", run: "click" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
        { content: "what the vendor asks for", trigger: ".o_field_widget[name=credential_ids] .o_data_row:contains('Client secret') [name=value]:contains('not set')", run: "click" },
        { content: "typed as dots", trigger: ".o_selected_row input[type=password]", run: "edit top-s3cret" },
        { trigger: ".o_data_row:contains('Client ID') [name=value]", run: "click" },
        { trigger: ".o_selected_row [name=value] input", run: "edit hub" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
        { content: "stored and not shown", trigger: ".o_data_row:contains('Client secret') [name=value]:contains('stored')" },
        { trigger: "button[name=action_check]", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Connected')" },
        { trigger: ".o_field_widget[name=check_text]:contains('Logged in.')" },
        { content: "its streams", trigger: ".nav-link:contains('Streams')", run: "click" },
        { trigger: ".o_field_widget[name=stream_ids] .o_data_row:contains('Accounts')" },
        { trigger: "button[name=action_pause]", run: "click" },
        { trigger: ".alert-warning:contains('deliveries are stored')" },
        { trigger: "button[name=action_resume]", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Connected')" },
    ],
});
