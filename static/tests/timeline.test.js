import { openClientAction, formOf } from "@psa_hub/../tests/client_action_helpers";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { advanceTime, expect, mockTimeZone, queryAllTexts, queryOne, test, waitFor } from "@odoo/hoot";
import { contains, makeServerError, mountWebClient, onRpc } from "@web/../tests/web_test_helpers";

import { browser } from "@web/core/browser/browser";
import { redirect } from "@web/core/utils/urls";

defineMailModels();

const EVENT = {
    at: "2026-05-04 08:30:00", kind: "source", title: "Fake: Contact T1", text: "", amount: null, currency_id: false,
    res_model: "psa.message", res_id: 7,
};
const WAY = [
    EVENT,
    { ...EVENT, at: "2026-05-04 08:31:00", kind: "rules", title: "Ada, 8 hours", text: "Approved · S00042",
      amount: 1200, currency_id: 2, res_model: "psa.entry", res_id: 3 },
    { ...EVENT, at: "2026-05-05 10:00:00", kind: "source", title: "Fake: Contact T2", res_id: 8 },
    { ...EVENT, at: "2026-05-06 14:00:00", kind: "payment", title: "PAY/1", amount: -1200.5, currency_id: 1,
      res_model: "account.payment", res_id: 9 },
];

async function openTimeline(events, more = []) {
    mockTimeZone(0);
    onRpc("psa.timeline", "get_events", ({ args }) => {
        expect.step(args);
        return { name: "S00042", events, more };
    });
    await openClientAction("psa_hub.timeline", { res_model: "sale.order", res_id: 42 });
    expect.verifySteps([["sale.order", 42]]);
}

test("what happened is listed by day, the oldest first, each with its time", async () => {
    await openTimeline(WAY);
    expect(queryAllTexts(".o_psa_timeline section h5")).toEqual(["May 4, 2026", "May 5, 2026", "May 6, 2026"]);
    expect(queryAllTexts("section:first .o_psa_event a")).toEqual(["Fake: Contact T1", "Ada, 8 hours"]);
    expect(queryAllTexts("section:first .o_psa_event_time").map((time) => time.replace(/\s/, " "))).toEqual(
        ["8:30 AM", "8:31 AM"]);
    expect("section:last .o_psa_event_time").toHaveAttribute("title", "05/06/2026 14:00:00");
    expect(".o_psa_event[data-kind=rules] .small:contains(Approved · S00042)").toHaveCount(1);
    expect(".o_psa_event[data-kind=rules] i").toHaveAttribute("title", "Entry");
});

test("the day and the time are those of the reader", async () => {
    mockTimeZone(+2);
    onRpc("psa.timeline", "get_events", () => ({ name: "S", events: [{ ...EVENT, at: "2026-05-04 23:30:00" }], more: [] }));
    await openClientAction("psa_hub.timeline", { res_model: "sale.order", res_id: 42 });
    expect(".o_psa_timeline h5").toHaveText("May 5, 2026");
    expect(".o_psa_event_time").toHaveText(/1:30\sAM/);
});

test("an amount is in its currency, and an event that is not about money has none", async () => {
    await openTimeline([...WAY, { ...EVENT, kind: "mapping", amount: null, currency_id: 1 },
                        { ...EVENT, kind: "invoice", amount: 0, currency_id: 1 }]);
    const money = (kind) => queryAllTexts(`.o_psa_event[data-kind=${kind}] > .fw-bold`).map((text) => text.replace(/\s/, " "));
    expect(money("rules")).toEqual(["1,200.00 €"]);
    expect(money("payment")).toEqual(["$ -1,200.50"]);
    expect(money("source")).toEqual([]);
    expect(money("mapping")).toEqual([]); // in a currency, but of no amount
    expect(money("invoice")).toEqual(["$ 0.00"]);
});

test("kinds that occur can be left out and taken in again", async () => {
    await openTimeline(WAY, ["source"]);
    expect(queryAllTexts(".o_psa_timeline button[data-kind]")).toEqual(["Source 2+", "Entry 1", "Payment 1"]);
    await contains("button[data-kind=source]").click();
    expect("button[data-kind=source]").toHaveAttribute("aria-pressed", "false");
    expect(queryAllTexts(".o_psa_event a")).toEqual(["Ada, 8 hours", "PAY/1"]);
    expect(".o_psa_timeline section").toHaveCount(2); // the day of nothing else is gone
    expect(queryAllTexts(".o_psa_timeline button[data-kind]")).toEqual(["Source 2+", "Entry 1", "Payment 1"]);
    await contains("button[data-kind=source]").click();
    expect("button[data-kind=source]").toHaveAttribute("aria-pressed", "true");
    expect(".o_psa_event").toHaveCount(4);
});

test("an event leads to its record", async () => {
    await openTimeline(WAY);
    await contains(".o_psa_event[data-kind=payment] a").click();
    expect.verifySteps([formOf("account.payment", 9)]);
});

test("titles and texts are shown as they were written", async () => {
    await openTimeline([{ ...EVENT, title: "<b>T1</b>", text: "<img src=x> failed" }]);
    expect(".o_psa_event a").toHaveText("<b>T1</b>");
    expect(".o_psa_event .small.d-block").toHaveText("<img src=x> failed");
    expect(".o_psa_event b, .o_psa_event img").toHaveCount(0);
});

test("a record to which nothing happened says so", async () => {
    await openTimeline([]);
    expect(".o_psa_timeline p").toHaveText("Nothing of this record came from a connected system or was billed yet.");
    expect(".o_psa_timeline button[data-kind], .o_psa_event").toHaveCount(0);
});

const ADDRESS = "/odoo/action-psa_hub.timeline?res_model=sale.order&res_id=42";

test("its name and its address say whose timeline it is", async () => {
    await openTimeline(WAY);
    expect(".o_breadcrumb .active").toHaveText("Timeline of S00042");
    await advanceTime(10);
    expect(browser.location.href.replace(browser.location.origin, "")).toBe(ADDRESS);
});

test("it can be loaded again from its address", async () => {
    onRpc("psa.timeline", "get_events", ({ args }) => {
        expect.step(args);
        return { name: "S00042", events: WAY, more: [] };
    });
    redirect(ADDRESS);
    await mountWebClient();
    expect.verifySteps([["sale.order", 42]]);
    expect(".o_breadcrumb .active").toHaveText("Timeline of S00042");
    expect(".o_psa_event").toHaveCount(4);
});

test("what the server refuses is told, and no page is left behind", async () => {
    expect.errors(1);
    onRpc("psa.timeline", "get_events", () => {
        throw makeServerError({ type: "AccessError", message: "The timeline is for users of PSA Hub." });
    });
    openClientAction("psa_hub.timeline", { res_model: "sale.order", res_id: 42 });
    await waitFor(".modal", { timeout: 2000 });
    expect(".modal").toHaveText(/The timeline is for users of PSA Hub\./);
    expect(".o_psa_timeline").toHaveCount(0);
    expect.verifyErrors(["The timeline is for users of PSA Hub."]);
});

test.tags("mobile");
test("on a narrow screen long names break and the money stays on the screen", async () => {
    await openTimeline([{ ...EVENT, title: "Fake:ContactWithAVeryLongExternalIdentifier".repeat(4), amount: 1234567.89, currency_id: 2 }]);
    const page = queryOne(".o_psa_timeline");
    expect(page.scrollWidth).toBe(page.clientWidth);
    expect(queryOne(".o_psa_event > .fw-bold").getBoundingClientRect().right).toBeLessThan(window.innerWidth + 1);
});
