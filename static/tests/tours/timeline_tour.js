import { registry } from "@web/core/registry";

registry.category("web_tour.tours").add("psa_hub_timeline", {
    steps: () => [
        { trigger: "button[name=action_psa_timeline]", run: "click" },
        { content: "where it came from", trigger: ".o_psa_event[data-kind=source]:contains('Fake: Contact T1')" },
        { content: "what it is worth", trigger: ".o_psa_event[data-kind=rules]:contains('800.00')" },
        { content: "what was paid", trigger: ".o_psa_event[data-kind=payment]" },
        { content: "what the source was told", trigger: ".o_psa_event[data-kind=write_back]" },
        { trigger: "button[data-kind=source]", run: "click" },
        { content: "a kind can be left out", trigger: ".o_psa_timeline:not(:has(.o_psa_event[data-kind=source]))" },
        { content: "and each leads to its record", trigger: ".o_psa_event[data-kind=proposal] a", run: "click" },
        { trigger: ".o_form_view .o_field_widget[name=period_start]" },
    ],
});
