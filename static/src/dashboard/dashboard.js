import { Component, onWillStart, useEffect, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { formatMonetary } from "@web/views/fields/formatters";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

const REFRESH_SECONDS = 15;

/** What waits, what can be billed and whether the connections live; refreshes itself while it is looked at. */
export class Dashboard extends Component {
    static template = "psa_hub.Dashboard";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ figures: null, updatedAt: null, stale: false });
        onWillStart(() => this.load());
        // Only a page that is shown refreshes itself: one that could not be loaded is never unmounted.
        useEffect(
            () => {
                const timer = setInterval(() => this.refresh(), REFRESH_SECONDS * 1000);
                return () => clearInterval(timer);
            },
            () => []
        );
    }

    async load() {
        this.state.figures = await this.orm.call("psa.dashboard", "get_figures", []);
        this.state.updatedAt = luxon.DateTime.now();
        this.state.stale = false;
    }

    /** Load again in the background: a lost server shows as "not up to date", not as a dialog every 15 seconds. */
    async refresh() {
        if (document.hidden) {
            return;
        }
        try {
            this.state.figures = await this.orm.silent.call("psa.dashboard", "get_figures", []);
            this.state.updatedAt = luxon.DateTime.now();
            this.state.stale = false;
        } catch {
            this.state.stale = true;
        }
    }

    // === FORMATS === //
    money(amount) {
        return formatMonetary(amount, { currencyId: this.state.figures.currency_id });
    }

    get updatedLabel() {
        const time = this.state.updatedAt.toLocaleString(luxon.DateTime.TIME_WITH_SECONDS);
        return this.state.stale ? _t("Not up to date since %s", time) : _t("Live, %s", time);
    }

    ago(value) {
        return value ? deserializeDateTime(value).toRelative() : _t("never");
    }

    moment(value) {
        return value ? formatDateTime(deserializeDateTime(value)) : "";
    }

    /** Width of a bar in percent of the largest of `rows`. */
    share(amount, rows) {
        const largest = Math.max(...rows.map((row) => Math.abs(row.amount)), 0);
        return largest ? Math.max((Math.abs(amount) / largest) * 100, 1) : 0;
    }

    kindShare(month, kind) {
        const total = Object.values(month.kinds).reduce((sum, amount) => sum + Math.max(amount, 0), 0);
        return total ? (Math.max(month.kinds[kind.code], 0) / total) * 100 : 0;
    }

    get usedKinds() {
        return this.state.figures.to_bill.kinds.filter((kind) => kind.amount);
    }

    get lateStreams() {
        return this.state.figures.streams.filter((stream) => stream.freshness === "late");
    }

    /** What is late or reads its history: the others need no line each. */
    get notedStreams() {
        return this.state.figures.streams.filter((stream) => stream.freshness === "late" || stream.backfill);
    }

    // === ACTIONS === //
    openExceptions(cause) {
        return this.action.doAction("psa_hub.action_psa_exception", {
            additionalContext: { search_default_open: 1, search_default_cause_id: cause.id },
        });
    }

    openCauses() {
        return this.action.doAction("psa_hub.action_psa_exception_by_cause");
    }

    openBacklog() {
        return this.action.doAction("psa_hub.action_psa_entry_backlog");
    }

    openMonth(month) {
        return this.openList("psa.entry", _t("To bill, %s", month.label), [
            ["state", "=", "approved"],
            ["billing_state", "in", ["to_bill", "partly"]],
            ["work_date", ">=", month.key],
            ["work_date", "<", month.until],
        ]);
    }

    openProposals(row) {
        const domain = [["state", "=", row.state]];
        if (row.since) {
            domain.push(["approved_at", ">=", row.since]);
        }
        return this.openList("psa.proposal", _t("Proposals: %s", row.label), domain);
    }

    openInvoiced() {
        return this.openList("account.move", _t("Invoiced this month"), [
            ["psa_allocation_ids", "!=", false],
            ["state", "=", "posted"],
            ["invoice_date", ">=", this.state.figures.invoiced.since],
        ]);
    }

    openConnection(connection) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "psa.connection",
            res_id: connection.id,
            views: [[false, "form"]],
        });
    }

    openMessages(connection, states) {
        return this.openList("psa.message", connection.name, [
            ["connection_id", "=", connection.id],
            ["state", "in", states],
        ]);
    }

    openStream(stream) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: "psa.stream",
            res_id: stream.id,
            views: [[false, "form"]],
        });
    }

    openConnections() {
        return this.action.doAction("psa_hub.action_psa_connection");
    }

    openList(model, name, domain) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            name,
            res_model: model,
            domain,
            views: [
                [false, "list"],
                [false, "kanban"],
                [false, "form"],
            ],
        });
    }
}

registry.category("actions").add("psa_hub.dashboard", Dashboard);
