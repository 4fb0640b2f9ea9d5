import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { expect, queryAll, queryAllTexts, queryOne, test } from "@odoo/hoot";
import { contains, defineModels, fields, models, mountView } from "@web/../tests/web_test_helpers";

class Entry extends models.Model {
    _name = "psa.entry";

    trace = fields.Json();
}

defineMailModels();
defineModels([Entry]);

async function mountTrace(trace) {
    Entry._records = [{ id: 1, trace }];
    await mountView({
        type: "form",
        resModel: "psa.entry",
        resId: 1,
        arch: `<form><sheet><field name="trace" widget="psa_trace" nolabel="1"/></sheet></form>`,
    });
}

/** The rows of the calculation: `[what, why, taken off, left]`. */
function calculation() {
    return queryAll(".o_psa_trace .table-responsive tbody tr").map((row) =>
        [...row.cells].map((cell) => cell.textContent.trim())
    );
}

const PRICED = {
    rule: "hours_times_rate", hours: "8", rate: "150.00", exact: "1200.00", amount: "1200.00", currency: "EUR",
};

test("work without a price says so", async () => {
    await mountTrace(false);
    expect(".o_field_psa_trace").toHaveText("Not priced yet.");
    expect(".o_field_psa_trace table").toHaveCount(0);
});

test("hours times rate is the worth, in the currency of the trace", async () => {
    await mountTrace(PRICED);
    expect(calculation()).toEqual([["Worth", "8 h × 150.00", "", "1,200.00"]]);
    expect(".o_psa_trace th:last").toHaveText("Left EUR");
});

test("an amount that was rounded shows what it was before", async () => {
    await mountTrace({ ...PRICED, hours: "0.3333", exact: "49.995", amount: "50.00" });
    expect(calculation()).toEqual([["Worth", "0.3333 h × 150.00 = 49.995", "", "50.00"]]);
});

test("hours without a rate are shown without a price, another rule by its words", async () => {
    await mountTrace({ rule: "hours_times_rate", hours: "8", exact: "0", amount: "0" });
    expect(calculation()).toEqual([["Worth", "8 h", "", "0.00"]]);
});

test("another rule is said in words", async () => {
    await mountTrace({ rule: "agreed_amount", exact: "5000", amount: "5000" });
    expect(calculation()).toEqual([["Worth", "Agreed amount: 5,000.00", "", "5,000.00"]]);
});

test("a rule that found nothing is still named", async () => {
    await mountTrace({ rule: "hours_times_rate", hours: "8", tried: ["contract", "rate_card"] });
    expect(calculation()).toEqual([["Worth", "Hours times rate", "", ""]]);
});

test("counting the hours comes before their worth, what is taken off after it", async () => {
    await mountTrace({
        ...PRICED,
        steps: [
            { step: "rounding", raw_hours: "7.9", minutes: "15", mode: "up", hours: "8" },
            { step: "days", hours: "8", hours_per_day: "8", days: "1" },
            { step: "written_down", reason: "Goodwill", comment: null, by: "Grace", amount: "-200.00", left: "1000.00" },
            { step: "drawn", retainer: "R/7", amount: "-1000.00", left: "0.00" },
        ],
    });
    expect(calculation()).toEqual([
        ["Hours counted", "7.9 h → 15 minutes up → 8 h", "", ""],
        ["Days on the invoice", "8 h / 8 h = 1", "", ""],
        ["Worth", "8 h × 150.00", "", "1,200.00"],
        ["Written down", "Goodwill, By: Grace", "-200.00", "1,000.00"],
        ["Paid by retainer", "Retainer: R/7", "-1,000.00", "0.00"],
    ]);
    expect(".o_psa_trace .table-responsive td.text-end.fw-bold").toHaveText("0.00"); // what is left in the end
});

test("rounding to the nearest is told from rounding up", async () => {
    await mountTrace({ steps: [{ step: "rounding", raw_hours: "7.9", minutes: "30", mode: "nearest", hours: "8" }] });
    expect(calculation()).toEqual([["Hours counted", "7.9 h → 30 minutes to the nearest → 8 h", "", ""]]);
});

test("over a hard cap stands out, over a soft cap does not", async () => {
    await mountTrace({
        ...PRICED,
        steps: [
            { step: "over_cap", cap: "Phase 1", limit: "10000", limit_hours: null, used: "9500.5", used_hours: "60",
              amount: "-700.50", left: "499.50" },
            { step: "soft_cap", cap: "Year", limit: null, limit_hours: "100", used: "0", used_hours: "101" },
        ],
    });
    expect(calculation().slice(1)).toEqual([
        ["Over the cap", "Phase 1, 9,500.50 of 10,000.00 used", "-700.50", "499.50"],
        ["Over a soft cap", "Year, 101 h of 100 h used", "", ""],
    ]);
    expect(".o_psa_trace tr.text-danger").toHaveCount(1);
    expect(".o_psa_trace tr.text-danger td:first").toHaveText("Over the cap");
});

test("what an expense policy keeps back names the policy's limit, not a cap", async () => {
    await mountTrace({
        ...PRICED,
        steps: [{ step: "over_cap", of: "expense_policy", limit: "50", per: "day", billed_that_day: "20",
                  amount: "-10", left: "30" }],
    });
    expect(calculation()[1]).toEqual(
        ["Over the cap", "Of: Expense policy, Limit: 50, Per: Day, Billed that day: 20", "-10.00", "30.00"]);
});

test("the lots that a retainer drew on are listed", async () => {
    await mountTrace({
        ...PRICED,
        steps: [{ step: "drawn", retainer: "R/7", amount: "-300", left: "900",
                  lots: [{ lot: "2026-01-01", drawn: "1.5" }, { lot: "2026-02-01", drawn: "0.5" }] }],
    });
    expect(calculation()[1][1]).toBe(
        "Retainer: R/7, Lots: (Lot: 2026-01-01, Drawn: 1.5) (Lot: 2026-02-01, Drawn: 0.5)");
});

test("a step that is not known is said in its own words", async () => {
    await mountTrace({ ...PRICED, steps: [{ step: "special_offer", percent: "10", offer_id: 7, left: "1080" }] });
    expect(calculation()[1]).toEqual(["Special offer", "Percent: 10", "", "1,080.00"]);
});

test("texts of people are shown as they were written", async () => {
    await mountTrace({ ...PRICED, steps: [{ step: "written_down", reason: "<b>free</b>", amount: "-1", left: "1199" }] });
    expect(calculation()[1][1]).toBe("<b>free</b>");
    expect(".o_psa_trace b").toHaveCount(0);
});

test("all the figures are there on request, nested ones indented, without technical keys", async () => {
    await mountTrace({
        rule: "agreed_amount",
        rate_id: 5,
        approved: false,
        price: { source: "rate_card", lines: [{ role: "Lead <A>", amount: "10" }] },
        steps: [{ step: "days", hours: "8", hours_per_day: "8", days: "1" }],
    });
    expect(".o_psa_trace details").not.toHaveAttribute("open");
    await contains(".o_psa_trace summary").click();
    expect(".o_psa_trace details").toHaveAttribute("open");
    expect(queryAllTexts(".o_psa_trace details tr")).toEqual([
        "Rule Agreed amount", "Approved –", "Price", "Source Rate card", "Lines", "1.", "Role Lead <A>", "Amount 10",
    ]);
    const indent = (row) => parseFloat(queryOne(`.o_psa_trace details tr:eq(${row}) td:first`).style.paddingLeft);
    expect(indent(0)).toBeLessThan(indent(3));
    expect(indent(3)).toBeLessThan(indent(6));
});

test.tags("mobile");
test("on a narrow screen the calculation scrolls in itself and the page stays as wide as it is", async () => {
    await mountTrace({
        ...PRICED,
        steps: [{ step: "over_cap", cap: "Phase_1_of_the_work_with_a_very_long_name", limit: "10000", limit_hours: null,
                  used: "9500", used_hours: "60", amount: "-1000000.00", left: "1000000.00" }],
    });
    const scroller = queryOne(".o_psa_trace .table-responsive");
    expect(scroller.clientWidth).toBeLessThan(window.innerWidth);
    expect(scroller.scrollWidth).toBeGreaterThan(scroller.clientWidth);
});
