import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** An object of values, one a line, as it was stored. */
export class ValuesField extends Component {
    static template = "psa_hub.ValuesField";
    static props = { ...standardFieldProps };

    /** @returns {Array<{name: string, text: string}>} */
    get rows() {
        const value = this.props.record.data[this.props.name];
        if (!value || typeof value !== "object") {
            return [];
        }
        return Object.entries(value).map(([name, item]) => ({
            name,
            text: typeof item === "string" ? item : JSON.stringify(item),
        }));
    }
}

registry.category("fields").add("psa_values", { component: ValuesField, supportedTypes: ["json"] });
