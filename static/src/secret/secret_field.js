import { Component } from "@odoo/owl";
import { _t } from "@web/core/l10n/translation";
import { registry } from "@web/core/registry";
import { useInputField } from "@web/views/fields/input_field_hook";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

/** A value that is typed and never shown: dots for one line, a text area for keys of several lines. */
export class SecretField extends Component {
    static template = "psa_hub.SecretField";
    static props = { ...standardFieldProps };

    setup() {
        useInputField({ getValue: () => this.props.record.data[this.props.name] || "" });
    }

    get isText() {
        return Boolean(this.props.record.data.multiline);
    }

    get isSecret() {
        return this.props.record.data.secret !== false;
    }

    get placeholder() {
        return this.props.record.data.is_set ? _t("stored; type to replace") : _t("not set");
    }
}

registry.category("fields").add("psa_secret", {
    component: SecretField,
    supportedTypes: ["text", "char"],
    fieldDependencies: [
        { name: "multiline", type: "boolean" },
        { name: "secret", type: "boolean" },
        { name: "is_set", type: "boolean" },
    ],
});
