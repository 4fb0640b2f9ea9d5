import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** Shows a Json value (the trace "why this amount") as nested rows of plain words. */
export class TraceField extends Component {
    static template = "psa_hub.TraceField";
    static props = { ...standardFieldProps };

    get rows() {
        return this.flatten(this.props.record.data[this.props.name], 0);
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
