import { formOf, openClientAction } from "@psa_hub/../tests/client_action_helpers";
import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { advanceTime, expect, mockDate, queryAll, queryAllTexts, queryOne, test, waitFor } from "@odoo/hoot";
import { animationFrame } from "@odoo/hoot-mock";
import { contains, getService, makeServerError, onRpc, patchWithCleanup } from "@web/../tests/web_test_helpers";

import { Component, xml } from "@odoo/owl";
import { Dashboard } from "@psa_hub/dashboard/dashboard";
import { registry } from "@web/core/registry";

defineMailModels();

const CONNECTION = {
    id: 5, name: "Salesforce", environment: "production", state: "connected", state_label: "Connected",
    breaker_state: "closed", breaker_reason: false, last_success_at: "2026-05-20 11:58:00", shadow: false, setup: [],
    setup_left: 0, pending: 0, waiting: 0, retry: 0, held: 0, dead: 0,
};
const STREAM = {
    id: 8, name: "Timecards", connection: "Salesforce", freshness: "fresh", target: 15,
    last_success_at: "2026-05-20 11:50:00", backfill: false,
};
const CAUSES = [
    { id: 1, name: "No price for this work", category: "poison", count: 3, amount: 1200, unassigned: 2,
      oldest: "2026-05-18 12:00:00" },
    { id: 2, name: "Unknown <person>", category: "conflict", count: 1, amount: -300, unassigned: 0, oldest: false },
    { id: 3, name: "Refused", category: "connection", count: 1, amount: 0, unassigned: 0, oldest: false },
];
const MONTH = {
    key: "2026-05-01", until: "2026-06-01", label: "May 2026", amount: 400, kinds: { time: 300, expense: 100, fee: 0 },
};

/** What the server answers when there is nothing to tell, with `changes` of it. */
function figures(changes = {}) {
    return {
        currency_id: 2,
        waiting: { parents: 0, parents_amount: 0, amount: 0, count: 0, overdue: 0, causes: [] },
        to_bill: { amount: 0, count: 0, earlier: 0, kinds: [], months: [] },
        proposals: [
            { state: "draft", label: "Draft", count: 1, amount: 10, held: 0 },
            { state: "to_approve", label: "To Approve", count: 2, amount: 800, held: 0 },
            { state: "invoiced", label: "Invoiced", count: 4, amount: 5000, held: 0, since: "2026-04-20 12:00:00" },
        ],
        invoiced: { amount: 5000, count: 3, since: "2026-05-01" },
        connections: [],
        streams: [],
        ...changes,
    };
}

const WAITING = { parents: 2, parents_amount: 50, amount: 900, count: 5, overdue: 4, causes: CAUSES };
const TO_BILL = {
    amount: 500, count: 7, earlier: 100,
    kinds: [
        { code: "time", label: "Time", amount: 300 },
        { code: "expense", label: "Expense", amount: 100 },
        { code: "fee", label: "Fee", amount: 0 },
    ],
    months: [{ ...MONTH, key: "2026-04-01", until: "2026-05-01", label: "Apr 2026", amount: 100,
               kinds: { time: 150, expense: -50, fee: 0 } }, MONTH],
};

/** Open the dashboard; the server answers with `answers`, one after the other, the last one for good. */
async function openDashboard(...answers) {
    mockDate("2026-05-20 12:00:00", 0);
    onRpc("psa.dashboard", "get_figures", () => {
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer instanceof Error) {
            throw answer;
        }
        return answer;
    });
    await openClientAction("psa_hub.dashboard");
}

const plain = (text) => text.replace(/\s+/g, " ").trim();
const texts = (selector) => queryAllTexts(selector).map(plain);
/** The parts of a tile after its title. */
const tile = (title) => texts(`.o_psa_tile:contains(${title}) > span`).slice(1);
const widths = (selector) => queryAll(selector).map((bar) => Math.round(parseFloat(bar.style.width) * 10) / 10);

test("when nothing waits, everything says so", async () => {
    await openDashboard(figures());
    expect(tile("Money waiting")).toEqual(["0.00 €", "Nothing is held up"]);
    expect(".o_psa_tile:first").toHaveClass("o_psa_tile_good");
    expect(".o_psa_tile_danger").toHaveCount(0);
    expect(texts(".o_psa_empty")).toEqual([
        "Nothing is held up.",
        "Everything approved is billed or proposed.",
        "No system is connected yet. Connect one",
    ]);
    expect(".o_psa_bar_row, .o_psa_legend, .o_psa_connection").toHaveCount(0);
    expect("h2:contains(Freshness)").toHaveCount(0);
});

test("the tiles tell the money in the company's currency, with what it is made of", async () => {
    await openDashboard(figures({ waiting: WAITING, to_bill: TO_BILL }));
    expect(tile("Money waiting")).toEqual(["900.00 €", "5 exceptions, 4 overdue", "and 50.00 € until other records arrive"]);
    expect(".o_psa_tile:first").toHaveClass("o_psa_tile_danger");
    expect(tile("To bill")).toEqual(["500.00 €", "7 approved entries"]);
    expect(tile("Waiting for approval")).toEqual(["800.00 €", "2 proposals"]);
    expect(tile("Invoiced this month")).toEqual(["5,000.00 €", "3 invoices and credit notes"]);
});

test("each cause has its money, its age and a bar as long as its share of the dearest", async () => {
    await openDashboard(figures({ waiting: WAITING }));
    expect(texts(".o_psa_causes_card .o_psa_bar_name")).toEqual(["No price for this work3", "Unknown <person>1", "Refused1"]);
    expect(texts(".o_psa_causes_card .badge")).toEqual(["3", "1", "1"]);
    expect(texts(".o_psa_causes_card .o_psa_bar_money")).toEqual(["1,200.00 €", "-300.00 €", "0.00 €"]);
    expect(texts(".o_psa_causes_card .o_psa_bar_row > .small")).toEqual([
        "oldest 2 days ago, 2 without owner", "oldest never", "oldest never",
    ]);
    expect(widths(".o_psa_causes_card .o_psa_fill")).toEqual([100, 25, 1]);
    expect(".o_psa_fill:first").toHaveClass("o_psa_poison");
    expect(".o_psa_causes_card person").toHaveCount(0);
});

test("each month is split by kind; what reduces it takes no room", async () => {
    await openDashboard(figures({ to_bill: TO_BILL }));
    expect(texts(".o_psa_bar_row")).toEqual(["Apr 2026 100.00 €", "May 2026 400.00 €"]);
    expect(widths(".o_psa_stack")).toEqual([25, 100]);
    expect(widths(".o_psa_stack:first span")).toEqual([100, 0]);
    expect(widths(".o_psa_stack:last span")).toEqual([75, 25]);
    expect(plain(queryOne(".o_psa_stack:last .o_psa_kind_expense").title)).toBe("Expense: 100.00 €");
    expect(texts(".o_psa_legend > span")).toEqual(["Time 300.00 €", "Expense 100.00 €"]); // no fees, no word of them
    expect("p:contains(earlier: 100.00)").toHaveCount(1);
});

test("bars of months in which nothing is left do not break", async () => {
    const nothing = { ...MONTH, amount: 0, kinds: { time: 0, expense: 0, fee: 0 } };
    await openDashboard(figures({ to_bill: { ...TO_BILL, months: [nothing] } }));
    expect(widths(".o_psa_stack, .o_psa_stack span")).toEqual([0, 0, 0]);
});

test("a connection tells its state, why it stopped and what is in its queue", async () => {
    await openDashboard(figures({
        connections: [
            { ...CONNECTION, pending: 3, retry: 2 },
            { ...CONNECTION, id: 6, name: "Jira <x>", state: "refused", state_label: "Refused", environment: "sandbox",
              shadow: true, breaker_state: "open", breaker_reason: "Wrong <password>", last_success_at: false, waiting: 4,
              held: 1, dead: 2 },
        ],
    }));
    const healthy = "div.o_psa_connection:first";
    const broken = "div.o_psa_connection:last";
    expect(texts(`${healthy} .badge`)).toEqual(["Connected"]);
    expect(`${healthy} .badge`).toHaveClass("text-bg-success");
    expect(`${healthy} .ms-auto`).toHaveText("last success 2 minutes ago");
    expect(`${healthy} .ms-auto`).toHaveAttribute("title", "05/20/2026 11:58:00");
    expect(`${healthy} .text-danger, ${healthy} details`).toHaveCount(0);
    expect(texts(`${healthy} .o_psa_queue a`)).toEqual(["5 in the queue"]);
    expect(texts(`${broken} .badge`)).toEqual(["Refused", "Sandbox", "Shadow mode"]);
    expect(`${broken} .badge:first`).toHaveClass("text-bg-danger");
    expect(`${broken} a:first`).toHaveText("Jira <x>");
    expect(`${broken} div.text-danger`).toHaveText("Wrong <password>");
    expect(`${broken} .ms-auto`).toHaveText("no success yet");
    expect(texts(`${broken} .o_psa_queue a`)).toEqual(["0 in the queue", "4 waiting", "1 held", "2 dead"]);
});

test("a connection that is not set up lists what is left, and only that", async () => {
    const setup = [
        { code: "login", label: "Login", done: true, text: "" },
        { code: "map", label: "Map", done: false, text: "3 codes are unknown" },
    ];
    await openDashboard(figures({ connections: [{ ...CONNECTION, setup, setup_left: 1 }] }));
    expect(".o_psa_left summary").toHaveText("1 step left to set up");
    expect(".o_psa_left").not.toHaveAttribute("open");
    await contains(".o_psa_left summary").click();
    expect(".o_psa_left").toHaveAttribute("open");
    expect(texts(".o_psa_left li")).toEqual(["Map 3 codes are unknown"]);
});

test("only streams that are late or read their history have a line", async () => {
    await openDashboard(figures({
        connections: [CONNECTION],
        streams: [{ ...STREAM, name: "Late", freshness: "late" }, { ...STREAM, id: 9, name: "Past", backfill: true },
                  { ...STREAM, id: 10, name: "Fine" }],
    }));
    expect(".o_psa_empty:contains(streams are fresh)").toHaveCount(0);
    expect(texts(".o_psa_table:last tr")).toEqual([
        "Late Salesforce 10 minutes ago", "Past Salesforceback-fill 10 minutes ago",
    ]);
    expect(".o_psa_table:last i[title=Late]").toHaveCount(1);
});

test("when all streams are fresh it is said once", async () => {
    await openDashboard(figures({ connections: [CONNECTION], streams: [STREAM, { ...STREAM, id: 9 }] }));
    expect(texts(".o_psa_empty:contains(streams)")).toEqual(["All 2 streams are fresh."]);
    expect("i[title=Late], .o_psa_table a:contains(Timecards)").toHaveCount(0);
});

test("every figure leads to what it counts", async () => {
    await openDashboard(figures({
        waiting: WAITING, to_bill: TO_BILL,
        connections: [{ ...CONNECTION, pending: 1, held: 1 }], streams: [{ ...STREAM, freshness: "late" }],
    }));
    const listOf = (res_model, name, domain) => ({
        type: "ir.actions.act_window", name, res_model, domain,
        views: [[false, "list"], [false, "kanban"], [false, "form"]],
    });
    for (const [place, opened] of [
        [".o_psa_tile:contains(Money waiting)", "psa_hub.action_psa_exception_by_cause"],
        [".o_psa_tile:contains(To bill)", "psa_hub.action_psa_entry_backlog"],
        [".o_psa_tile:contains(Waiting for approval)",
         listOf("psa.proposal", "Proposals: To Approve", [["state", "=", "to_approve"]])],
        [".o_psa_tile:contains(Invoiced this month)",
         listOf("account.move", "Invoiced this month", [["psa_allocation_ids", "!=", false], ["state", "=", "posted"],
                                                        ["invoice_date", ">=", "2026-05-01"]])],
        [".o_psa_bar_row:contains(No price)",
         ["psa_hub.action_psa_exception",
          { additionalContext: { search_default_open: 1, search_default_cause_id: 1 } }]],
        [".o_psa_bar_row:contains(May 2026)",
         listOf("psa.entry", "To bill, May 2026", [["state", "=", "approved"],
                                                   ["billing_state", "in", ["to_bill", "partly"]],
                                                   ["work_date", ">=", "2026-05-01"], ["work_date", "<", "2026-06-01"]])],
        [".o_psa_table a:contains(Draft)", listOf("psa.proposal", "Proposals: Draft", [["state", "=", "draft"]])],
        [".o_psa_table a:contains(Invoiced)",
         listOf("psa.proposal", "Proposals: Invoiced",
                [["state", "=", "invoiced"], ["approved_at", ">=", "2026-04-20 12:00:00"]])],
        [".o_psa_connection a:contains(Salesforce)", formOf("psa.connection", 5)],
        [".o_psa_queue a:contains(in the queue)",
         listOf("psa.message", "Salesforce", [["connection_id", "=", 5], ["state", "in", ["pending", "retry"]]])],
        [".o_psa_queue a:contains(held)",
         listOf("psa.message", "Salesforce", [["connection_id", "=", 5], ["state", "in", ["held"]]])],
        [".o_psa_table a:contains(Timecards)", formOf("psa.stream", 8)],
    ]) {
        await contains(place).click();
        expect.verifySteps([opened], { message: place });
    }
});

test("without a connection one can be made", async () => {
    await openDashboard(figures());
    await contains(".o_psa_empty a").click();
    expect.verifySteps(["psa_hub.action_psa_connection"]);
});

test("the figures follow the server while the page is looked at", async () => {
    await openDashboard(figures(), figures({ waiting: WAITING }));
    expect(".o_psa_live").toHaveText(/^Live, 12:00:00/);
    await advanceTime(15000);
    await animationFrame();
    expect(tile("Money waiting")).toInclude("900.00 €");
    expect(".o_psa_live").toHaveText(/^Live, 12:00:1\d/);
});

test("a lost server is told in the corner, with the time of the figures, until it answers again", async () => {
    await openDashboard(figures({ waiting: WAITING }), makeServerError({ message: "lost" }), figures());
    await advanceTime(15000);
    await animationFrame();
    expect(".o_psa_live").toHaveText(/^Not up to date since 12:00:00/);
    expect(".o_psa_live").toHaveClass("o_psa_stale");
    expect(tile("Money waiting")).toInclude("900.00 €"); // the last that is known
    expect(".modal, .o_notification").toHaveCount(0);
    await advanceTime(15000);
    await animationFrame();
    expect(".o_psa_live").toHaveText(/^Live, 12:00:3\d/);
    expect(".o_psa_live").not.toHaveClass("o_psa_stale");
});

/** Make a step of each time that the page wants to be up to date. */
function watchRefreshes() {
    patchWithCleanup(Dashboard.prototype, {
        refresh() {
            expect.step("refresh");
            return super.refresh();
        },
    });
}

test("nobody is asked while the page is in the background", async () => {
    await openDashboard(figures());
    onRpc("psa.dashboard", "get_figures", () => expect.step("asked"));
    const show = patchWithCleanup(document, { hidden: true });
    await advanceTime(60000);
    expect.verifySteps([]);
    show();
    await advanceTime(15000);
    expect.verifySteps(["asked"]);
});

test("a page that was left does not refresh itself", async () => {
    registry.category("actions").add("psa_hub.elsewhere", class extends Component {
        static props = ["*"];
        static template = xml`<p class="elsewhere"/>`;
    });
    watchRefreshes();
    await openDashboard(figures());
    await advanceTime(15000);
    expect.verifySteps(["refresh"]);
    await getService("action").doAction({ type: "ir.actions.client", tag: "psa_hub.elsewhere" });
    await waitFor(".elsewhere");
    await advanceTime(60000);
    expect.verifySteps([]);
});

test("a page that could not be loaded tells why and does not refresh itself", async () => {
    expect.errors(1);
    watchRefreshes();
    openDashboard(makeServerError({ message: "The dashboard is for users of PSA Hub." }));
    await waitFor(".modal", { timeout: 2000 });
    expect(".modal").toHaveText(/The dashboard is for users of PSA Hub\./);
    expect(".o_psa_dashboard").toHaveCount(0);
    expect.verifyErrors(["The dashboard is for users of PSA Hub."]);
    await advanceTime(60000);
    expect.verifySteps([]);
});

test.tags("mobile");
test("on a narrow screen tiles stand in two columns, cards in one, and nothing is cut off", async () => {
    await openDashboard(figures({
        waiting: { ...WAITING, amount: 1234567.89 }, to_bill: TO_BILL,
        connections: [{ ...CONNECTION, shadow: true, environment: "sandbox", held: 3, dead: 2, waiting: 9 }], streams: [STREAM],
    }));
    const lefts = (selector) => new Set(queryAll(selector).map((node) => Math.round(node.getBoundingClientRect().left)));
    expect(lefts(".o_psa_tile").size).toBe(2);
    expect(lefts(".o_psa_card").size).toBe(1);
    const page = queryOne(".o_psa_dashboard");
    expect(page.scrollWidth).toBe(page.clientWidth);
});
