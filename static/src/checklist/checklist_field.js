import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** Steps with what is left of each: `[{code, label, done, text}]`. */
export class ChecklistField extends Component {
    static template = "psa_hub.ChecklistField";
    static props = { ...standardFieldProps };

    get items() {
        return this.props.record.data[this.props.name] || [];
    }
}

registry.category("fields").add("psa_checklist", { component: ChecklistField, supportedTypes: ["json"] });
