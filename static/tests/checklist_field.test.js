import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { expect, queryAllTexts, queryOne, test } from "@odoo/hoot";
import { defineModels, fields, models, mountView } from "@web/../tests/web_test_helpers";

class Connection extends models.Model {
    _name = "psa.connection";

    setup_checklist = fields.Json();
}

defineMailModels();
defineModels([Connection]);

async function mountChecklist(items) {
    Connection._records = [{ id: 1, setup_checklist: items }];
    await mountView({
        type: "form",
        resModel: "psa.connection",
        resId: 1,
        arch: `<form><field name="setup_checklist" widget="psa_checklist"/></form>`,
    });
}

test("what is done and what is left to do are told apart, in the order of the steps", async () => {
    await mountChecklist([
        { code: "system", label: "System", done: true, text: "" },
        { code: "login", label: "Login", done: false, text: "missing: client secret" },
        { code: "live", label: "Live", done: false, text: "" },
    ]);
    expect(queryAllTexts(".o_psa_checklist li > span > span")).toEqual(["System", "Login", "missing: client secret", "Live"]);
    expect("[data-step=system]").toHaveAttribute("data-done", "1");
    expect("[data-step=system] .fa-check-circle").toHaveAttribute("title", "Done");
    expect("[data-step=system] .fw-bold").toHaveCount(0);
    expect("[data-step=login]").toHaveAttribute("data-done", "0");
    expect("[data-step=login] .fa-circle-o").toHaveAttribute("title", "Left to do");
    expect("[data-step=login] .fw-bold").toHaveText("Login");
    expect("[data-step=login] .fa-check-circle").toHaveCount(0);
});

test("labels and texts are shown as they were written", async () => {
    await mountChecklist([{ code: "map", label: "<i>Map</i>", done: false, text: "<img src=x> & 3 codes" }]);
    expect("[data-step=map] .fw-bold").toHaveText("<i>Map</i>");
    expect("[data-step=map] .small").toHaveText("<img src=x> & 3 codes");
    expect("[data-step=map] img").toHaveCount(0);
});

test("a new connection has no steps yet", async () => {
    await mountChecklist(false);
    expect(".o_psa_checklist").toHaveCount(1);
    expect(".o_psa_checklist li").toHaveCount(0);
});

test.tags("mobile");
test("on a narrow screen a long text breaks instead of pushing the page wider", async () => {
    await mountChecklist([{ code: "test", label: "Test", done: false, text: "The system answered that it is busy. ".repeat(6) }]);
    const item = queryOne("[data-step=test]");
    expect(item.scrollWidth).toBe(item.clientWidth);
    expect(item.clientHeight).toBeGreaterThan(60);
});
