import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { formatFloat } from "@web/core/utils/numbers";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

// What is counted before it has a price
const COUNTING_STEPS = ["rounding", "days"];

/**
 * Shows the trace "why this amount" as a clerk would write it: what the work is worth, what is taken off and why, and
 * what is left. Keys that it does not know follow as plain rows, so that nothing of the trace is hidden.
 */
export class TraceField extends Component {
    static template = "psa_hub.TraceField";
    static props = { ...standardFieldProps };

    get trace() {
        return this.props.record.data[this.props.name] || {};
    }

    /** @returns {Array<{what: string, why: string, amount: string, left: string}>} */
    get steps() {
        const trace = this.trace;
        const all = trace.steps || [];
        const rows = all.filter((step) => COUNTING_STEPS.includes(step.step)).map((step) => this.row(step));
        if (trace.rule) {
            rows.push({ what: _t("Worth"), why: this.calculation(trace), amount: "", left: this.money(trace.amount) });
        }
        rows.push(...all.filter((step) => !COUNTING_STEPS.includes(step.step)).map((step) => this.row(step)));
        return rows;
    }

    get currency() {
        return this.trace.currency || "";
    }

    row(step) {
        const why = step.cap ? this.cap : { rounding: this.rounding, days: this.days }[step.step];
        return {
            what: this.titles[step.step] || this.words(step.step),
            why: why ? why.call(this, step) : this.rest(step),
            amount: step.amount === undefined ? "" : this.money(step.amount),
            left: step.left === undefined ? "" : this.money(step.left),
            danger: step.step === "over_cap",
        };
    }

    get titles() {
        return {
            rounding: _t("Hours counted"),
            days: _t("Days on the invoice"),
            written_down: _t("Written down"),
            drawn: _t("Paid by retainer"),
            over_cap: _t("Over the cap"),
            adjusted: _t("Billed as a difference"),
            soft_cap: _t("Over a soft cap"),
        };
    }

    rounding(step) {
        const mode = step.mode === "up" ? _t("up") : _t("to the nearest");
        return `${step.raw_hours} h → ${_t("%(minutes)s minutes %(mode)s", { minutes: step.minutes, mode })} → ${step.hours} h`;
    }

    days(step) {
        return `${step.hours} h / ${step.hours_per_day} h = ${step.days}`;
    }

    cap(step) {
        const parts = [step.cap];
        if (step.limit !== null) {
            parts.push(_t("%(used)s of %(limit)s used", { used: this.money(step.used), limit: this.money(step.limit) }));
        }
        if (step.limit_hours !== null) {
            parts.push(_t("%(used)s h of %(limit)s h used", { used: step.used_hours, limit: step.limit_hours }));
        }
        return parts.join(", ");
    }

    /** What a step says besides its figures, in the order in which it says it. */
    rest(step) {
        return Object.entries(step)
            .filter(([key, value]) => !["step", "amount", "left"].includes(key) && !key.endsWith("_id") && value)
            .map(([key, value]) => (key === "reason" ? value : `${this.words(key)}: ${this.said(value)}`))
            .join(", ");
    }

    said(value) {
        return Array.isArray(value) ? value.map((item) => `(${this.rest(item)})`).join(" ") : this.text(value);
    }

    calculation(trace) {
        if (trace.exact === undefined) {
            return this.text(trace.rule);
        }
        const exact = trace.exact !== trace.amount ? ` = ${this.money(trace.exact)}` : "";
        if (trace.rule === "hours_times_rate") {
            return trace.rate === undefined ? `${trace.hours} h` : `${trace.hours} h × ${this.money(trace.rate)}${exact}`;
        }
        return `${this.text(trace.rule)}: ${this.money(trace.exact)}`;
    }

    money(text) {
        if (text === undefined || text === null) {
            return "";
        }
        const decimals = (String(text).split(".")[1] || "").length;
        return formatFloat(Number(text), { digits: [16, Math.max(decimals, 2)] });
    }

    get rows() {
        const { steps, ...rest } = this.trace;
        return this.flatten(rest, 0);
    }

    /** @returns {Array<{key: string, label: string, value: string|undefined, depth: number}>} */
    flatten(value, depth, path = "") {
        if (!value || typeof value !== "object") {
            return [];
        }
        const shown = Object.entries(value).filter(([key]) => !key.endsWith("_id"));
        return shown.flatMap(([key, item]) => {
            const label = Array.isArray(value) ? `${Number(key) + 1}.` : this.words(key);
            const row = { key: `${path}/${key}`, label, depth };
            if (item && typeof item === "object") {
                return [row, ...this.flatten(item, depth + 1, row.key)];
            }
            return [{ ...row, value: this.text(item) }];
        });
    }

    text(item) {
        if (item === null || item === false) {
            return "–";
        }
        const text = String(item);
        return /^[a-z]+(_[a-z]+)*$/.test(text) ? this.words(text) : text;
    }

    words(key) {
        const text = key.replaceAll("_", " ");
        return text.charAt(0).toUpperCase() + text.slice(1);
    }
}

registry.category("fields").add("psa_trace", { component: TraceField, supportedTypes: ["json"] });
