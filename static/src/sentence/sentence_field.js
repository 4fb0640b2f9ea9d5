import { Component } from "@odoo/owl";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** A sentence in a list: two lines of it, the whole of it on hover. */
export class SentenceField extends Component {
    static template = "psa_hub.SentenceField";
    static props = { ...standardFieldProps };

    get sentence() {
        return this.props.record.data[this.props.name] || "";
    }
}

registry.category("fields").add("psa_sentence", { component: SentenceField, supportedTypes: ["char", "text"] });
