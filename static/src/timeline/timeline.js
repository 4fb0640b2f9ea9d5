import { Component, onWillStart, useState } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { deserializeDateTime, formatDateTime } from "@web/core/l10n/dates";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { formatMonetary } from "@web/views/fields/formatters";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

const KINDS = [
    ["source", _t("Source"), "fa-sign-in", "info"],
    ["mapping", _t("Mapping"), "fa-map-signs", "info"],
    ["rules", _t("Entry"), "fa-clock-o", "primary"],
    ["exception", _t("Exception"), "fa-exclamation-triangle", "danger"],
    ["audit", _t("People"), "fa-user", "muted"],
    ["proposal", _t("Proposal"), "fa-check-square-o", "warning"],
    ["invoice", _t("Invoice"), "fa-file-text-o", "success"],
    ["payment", _t("Payment"), "fa-money", "success"],
    ["write_back", _t("Write-back"), "fa-sign-out", "info"],
];

/** All that happened to one record, oldest first, from its source to its payment and the answer to the source. */
export class Timeline extends Component {
    static template = "psa_hub.Timeline";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.state = useState({ name: "", events: [], more: [], hidden: {} });
        onWillStart(() => this.load());
        // The address names the record, so that the page can be loaded again.
        const { res_model, res_id } = this.props.action.params;
        this.props.updateActionState({ res_model, res_id });
    }

    async load() {
        const { res_model, res_id } = this.props.action.params;
        Object.assign(this.state, await this.orm.call("psa.timeline", "get_events", [res_model, res_id]));
        this.env.config.setDisplayName(_t("Timeline of %s", this.state.name));
    }

    /** The kinds that occur, with how many of each. */
    get kinds() {
        return KINDS.map(([code, label, icon, color]) => ({
            code,
            label,
            icon,
            color,
            count: this.state.events.filter((event) => event.kind === code).length,
            more: this.state.more.includes(code),
        })).filter((kind) => kind.count);
    }

    kind(event) {
        const [, label, icon, color] = KINDS.find(([code]) => code === event.kind);
        return { label, icon, color };
    }

    /** Events by day: `[{day, events}]`. */
    get days() {
        const days = [];
        for (const event of this.state.events) {
            if (this.state.hidden[event.kind]) {
                continue;
            }
            const day = deserializeDateTime(event.at).toLocaleString(luxon.DateTime.DATE_FULL);
            if (!days.length || days.at(-1).day !== day) {
                days.push({ day, events: [] });
            }
            days.at(-1).events.push(event);
        }
        return days;
    }

    time(event) {
        return deserializeDateTime(event.at).toLocaleString(luxon.DateTime.TIME_SIMPLE);
    }

    moment(event) {
        return formatDateTime(deserializeDateTime(event.at));
    }

    money(event) {
        return formatMonetary(event.amount, { currencyId: event.currency_id });
    }

    toggle(kind) {
        this.state.hidden[kind.code] = !this.state.hidden[kind.code];
    }

    open(event) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: event.res_model,
            res_id: event.res_id,
            views: [[false, "form"]],
        });
    }
}

registry.category("actions").add("psa_hub.timeline", Timeline);
