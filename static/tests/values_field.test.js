import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { expect, queryAllTexts, test } from "@odoo/hoot";
import { defineModels, fields, models, mountView } from "@web/../tests/web_test_helpers";

class Audit extends models.Model {
    _name = "psa.audit";

    before = fields.Json();
}

defineMailModels();
defineModels([Audit]);

async function mountValues(before) {
    Audit._records = [{ id: 1, before }];
    await mountView({
        type: "form",
        resModel: "psa.audit",
        resId: 1,
        arch: `<form><field name="before" widget="psa_values"/></form>`,
    });
}

test("each value stands on a line of its own, texts without their quotes", async () => {
    await mountValues({ state: "new", amount: 99.5, empty: null, lines: [{ hours: 8 }] });
    expect(queryAllTexts(".o_psa_values tr td:first-child")).toEqual(["state", "amount", "empty", "lines"]);
    expect(queryAllTexts(".o_psa_values tr td:last-child")).toEqual(["new", "99.5", "null", `[{"hours":8}]`]);
});

test("what looks like HTML is shown as it was stored", async () => {
    await mountValues({ name: "<b>Ada</b>" });
    expect(".o_psa_values td:last-child").toHaveText("<b>Ada</b>");
    expect(".o_psa_values b").toHaveCount(0);
});

test("no values are no lines", async () => {
    await mountValues(false);
    expect(".o_psa_values").toHaveCount(1);
    expect(".o_psa_values tr").toHaveCount(0);
});
