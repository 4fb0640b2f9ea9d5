import { registry } from "@web/core/registry";

const step = (code) => `.o_psa_checklist [data-step=${code}]`;
const current = (label) => `.o_statusbar_status .o_arrow_button_current:contains('${label}')`;

/** Types a value into a line of the credentials or settings. */
const fill = (field, label, value) => [
    { content: label, trigger: `.o_field_widget[name=${field}] .o_data_row:contains('${label}') [name=value]`, run: "click" },
    { trigger: `.o_field_widget[name=${field}] .o_selected_row:contains('${label}') [name=value] input`, run: `edit ${value}` },
];

/** From nothing to a connection that reads in shadow mode; the address of the stand-in is in the page's address. */
registry.category("web_tour.tours").add("psa_hub_setup", {
    steps: () => {
        const vendor = new URLSearchParams(window.location.search).get("vendor") || localStorage.getItem("psa_vendor");
        localStorage.setItem("psa_vendor", vendor);
        return [
            { content: "choose the system", trigger: ".o_field_widget[name=name] input", run: "edit Harvest of the tour" },
            { trigger: ".o_field_widget[name=connector_code] input", run: "click" },
            { trigger: ".o_select_menu_item:contains('Harvest')", run: "click" },
            { trigger: ".o_field_widget[name=auth_method] input", run: "click" },
            { trigger: ".o_select_menu_item:contains('Consent')", run: "click" },
            { trigger: "button[name=action_setup_next]", run: "click" },
            { content: "what is left is told", trigger: `${step("login")}:contains('Account ID')` },
            ...fill("credential_ids", "Client ID", "hm-hub-client"),
            ...fill("credential_ids", "Client secret", "hm-hub-secret"),
            ...fill("setting_ids", "Account ID", "1540042"),
            ...fill("setting_ids", "API address", vendor),
            ...fill("setting_ids", "Login address", vendor),
            { trigger: ".o_form_button_save", run: "click" },
            { trigger: ".o_form_saved" },
            { content: "only the consent is left", trigger: `${step("login")}:contains('consent in the browser')` },
            { trigger: "button[name=action_consent]", run: "click", expectUnloadPage: true },
            { content: "back from the system's own page", trigger: `${step("login")}[data-done='1']` },
            { trigger: "button[name=action_setup_next]", run: "click" },
            { trigger: current("Test") },
            { trigger: "button[name=action_check]", run: "click" },
            { content: "what is missing, and what rests", trigger: ".o_field_widget[name=check_text]:contains('Until then these rest: Expenses.')" },
            { trigger: `${step("test")}[data-done='0']:contains('Expenses')` },
            { trigger: "button[name=action_setup_next]", run: "click" },
            { content: "choose streams", trigger: current("Streams") },
            { trigger: ".o_field_widget[name=stream_ids] .o_data_row:contains('Time entries') .o_field_widget[name=active] input", run: "click" },
            { trigger: "button[name=action_setup_next]", run: "click" },
            { trigger: current("Map") },
            { content: "kinds that are still empty", trigger: ".alert:contains('Nothing said yet about'):contains('Role')" },
            { trigger: "button[name=action_setup_next]", run: "click" },
            { trigger: current("Shadow Mode") },
            { content: "nothing leaves", trigger: "[name=step_shadow]:contains('nothing leaves')" },
            { trigger: `${step("shadow")}[data-done='0']:contains('No record has come')` },
            { trigger: "button[name=action_pull_now]", run: "click" },
            { trigger: `${step("shadow")}[data-done='0']` },
        ];
    },
});

/** Taken up later from the connection's own page: map what came, and go live. */
registry.category("web_tour.tours").add("psa_hub_setup_again", {
    steps: () => [
        { content: "what is left, on the connection", trigger: `.o_psa_left ${step("map")}[data-done='0']:contains('mean nothing in Odoo')` },
        { trigger: "button[name=action_setup]", run: "click" },
        { content: "at the step where it was left", trigger: current("Shadow Mode") },
        { trigger: `${step("shadow")}[data-done='1']` },
        { trigger: ".o_statusbar_status button:contains('Map')", run: "click" },
        { trigger: current("Map") },
        { content: "kept and drawn anew", trigger: "body:not(:has(.o_form_dirty)) .o_form_saved", run: () => new Promise((resolve) => setTimeout(resolve, 1000)) },
        { content: "an unknown word", trigger: ".o_field_widget[name=value_map_ids] .o_data_row:contains('Unknown') [name=target_ref]", run: "click" },
        { trigger: ".o_selected_row [name=target_ref] select", run: "selectByLabel Role" },
        { trigger: ".o_selected_row [name=target_ref] .o_input_dropdown input", run: "edit Tour Role" },
        { trigger: ".o-autocomplete--dropdown-item:contains('Tour Role')", run: "click" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
        { trigger: ".o_statusbar_status button:contains('Go Live')", run: "click" },
        { trigger: current("Go Live") },
        { trigger: "button[name=action_go_live]", run: "click" },
        { trigger: ".modal-footer .btn-primary", run: "click" },
        { content: "live", trigger: `${step("live")}[data-done='1']` },
    ],
});
