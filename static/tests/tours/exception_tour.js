import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_exception_rate", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { content: "dearest first", trigger: ".o_data_row:first:contains('1,200.00')" },
        { content: "open it", trigger: ".o_data_row:first .o_data_cell[name=name]", run: "click" },
        { content: "the plain sentence comes first", trigger: ".o_form_view .alert-info:contains('Approved work has no price')" },
        { content: "the records that wait", trigger: ".o_form_view .o_field_widget[name=entry_ids] .o_data_row" },
        { content: "the button that fixes it", trigger: "button[name=action_fix]:contains('Create the rate')", run: "click" },
        { content: "the rate is filled in", trigger: ".o_form_view .o_field_widget[name=employee_id]:has(input:value('Ada'))" },
        { trigger: ".o_field_widget[name=amount] input", run: "edit 150" },
        { trigger: ".o_form_button_save", run: "click" },
        { trigger: ".o_form_saved" },
        { content: "back to the exception", trigger: ".breadcrumb-item:contains('No rate'), .o_back_button", run: "click" },
        { content: "it is resolved", trigger: ".o_statusbar_status .o_arrow_button_current:contains('Resolved')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_exception_retry", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('Account A1 is missing.') .o_data_cell[name=name]", run: "click" },
        { content: "what waits is listed", trigger: ".o_field_widget[name=psa_message_ids] .o_data_row:contains('Held')" },
        { content: "one click", trigger: "button[name=action_retry]", run: "click" },
        { trigger: ".o_notification:contains('3 records go again')" },
        { content: "they went through at once", trigger: ".o_statusbar_status .o_arrow_button_current:contains('Resolved')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_exception_waive", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('Account A1 is missing.') .o_data_cell[name=name]", run: "click" },
        { trigger: ".o_statusbar_buttons button:contains('Waive')", run: "click" },
        { content: "what is given up", trigger: ".modal .o_field_widget[name=amount]:contains('300.00')" },
        { trigger: ".modal .o_field_widget[name=reason] textarea", run: "edit Test data of the source" },
        { trigger: ".modal button[name=action_waive]", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Waived')" },
        { content: "the reason stays on the page", trigger: ".o_field_widget[name=close_reason]:contains('Test data of the source')" },
        { content: "and in its history", trigger: ".o-mail-Message:contains('Test data of the source')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_unknown_person", {
    url: "/odoo/psa-exceptions-by-cause",
    steps: () => [
        { content: "the card says how much waits", trigger: ".o_kanban_record:contains('Unknown person'):contains('2,400.00')", run: "click" },
        { trigger: ".o_list_view .o_data_row:contains('2,400.00') .o_data_cell[name=name]", run: "click" },
        { content: "an invoice waits for it", trigger: ".o_form_view button[name=action_open_blocked]:contains('1')" },
        { content: "help is inside", trigger: ".o_form_view button[name=action_help]", run: "click" },
        { trigger: ".modal .o_field_widget[name=documentation]:contains('choose the employee')" },
        { trigger: ".modal footer button:contains('Close')", run: "click" },
        { trigger: "body:not(:has(.modal)) button[name=action_fix]:contains('Link the person')", run: "click" },
        { trigger: ".modal .o_field_widget[name=employee_id] input", run: "edit Ada" },
        { trigger: ".ui-autocomplete .o-autocomplete--dropdown-item a:contains('Ada')", run: "click" },
        { trigger: ".modal .o_field_widget[name=employee_id] input:value('Ada')" },
        { trigger: ".modal button[name=action_link]", run: "click" },
        { content: "it is resolved", trigger: ".o_statusbar_status .o_arrow_button_current:contains('Resolved')" },
        { content: "and says what became billable", trigger: "button[name=action_open_freed]:contains('2,400.00')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_waive_ask", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('Account A1 is missing.') .o_data_cell[name=name]", run: "click" },
        { trigger: ".o_statusbar_buttons button:contains('Waive')", run: "click" },
        { content: "one person is not enough", trigger: ".modal .alert:contains('an approver has to agree')" },
        { trigger: ".modal .o_field_widget[name=reason] textarea", run: "edit The customer left" },
        { trigger: ".modal button[name=action_waive]:contains('Ask a Second Person')", run: "click" },
        { trigger: ".o_form_view .alert:contains('wants to waive it'):contains('The customer left')" },
    ],
});

registry.category("web_tour.tours").add("psa_hub_waive_agree", {
    url: "/odoo/psa-exceptions",
    steps: () => [
        { trigger: ".o_data_row:contains('Account A1 is missing.') .o_data_cell[name=name]", run: "click" },
        { trigger: ".o_form_view .alert:contains('wants to waive it'):contains('The customer left')" },
        { trigger: "button[name=action_agree_waive]", run: "click" },
        { trigger: ".o_statusbar_status .o_arrow_button_current:contains('Waived')" },
        { trigger: ".o_field_widget[name=close_reason]:contains('The customer left')" },
    ],
});
