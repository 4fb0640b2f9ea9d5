import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { expect, test } from "@odoo/hoot";
import {
    clickCancel,
    clickSave,
    contains,
    defineModels,
    fields,
    getKwArgs,
    makeServerError,
    models,
    mountView,
    onRpc,
} from "@web/../tests/web_test_helpers";

class Credential extends models.Model {
    _name = "psa.credential";

    name = fields.Char();
    value = fields.Text();
    multiline = fields.Boolean();
    secret = fields.Boolean();
    is_set = fields.Boolean();

    /** Like the server's: what is written is stored elsewhere and never read back. */
    web_save() {
        const kwargs = getKwArgs(arguments, "ids", "vals", "specification", "next_id");
        expect.step(kwargs.vals);
        const { value, ...rest } = kwargs.vals;
        return super.web_save({ ...kwargs, vals: value ? { ...rest, is_set: true } : rest });
    }
}

const FIELD = ".o_field_psa_secret";
const FORM = `<form><field name="name"/><field name="value" widget="psa_secret"/></form>`;
const LIST = `<list editable="bottom"><field name="name"/><field name="value" widget="psa_secret"/></list>`;
const NEW = { id: 1, name: "Client Secret", secret: true, is_set: false, multiline: false };

defineMailModels();
defineModels([Credential]);

async function mountSecret(record = {}, arch = FORM) {
    Credential._records = [{ ...NEW, ...record }];
    await mountView({ type: arch === LIST ? "list" : "form", resModel: "psa.credential", resId: 1, arch });
}

test("a secret is typed as dots, by the browser not remembered", async () => {
    await mountSecret();
    expect(`${FIELD} input`).toHaveAttribute("type", "password");
    expect(`${FIELD} input`).toHaveAttribute("autocomplete", "new-password");
    expect(`${FIELD} input`).toHaveAttribute("placeholder", "not set");
    expect(`${FIELD} textarea`).toHaveCount(0);
});

test("of a stored secret only that it is stored is shown", async () => {
    await mountSecret({ is_set: true });
    expect(`${FIELD} input`).toHaveAttribute("placeholder", "stored; type to replace");
    expect(`${FIELD} input`).toHaveValue("");
});

test("a value that is no secret is typed in plain", async () => {
    await mountSecret({ secret: false });
    expect(`${FIELD} input`).toHaveAttribute("type", "text");
});

test("a key of several lines has a text area, which the browser does not check for spelling", async () => {
    await mountSecret({ multiline: true, is_set: true });
    expect(`${FIELD} input`).toHaveCount(0);
    expect(`${FIELD} textarea`).toHaveAttribute("placeholder", "stored; type to replace");
    expect(`${FIELD} textarea`).toHaveAttribute("spellcheck", "false");
    await contains(`${FIELD} textarea`).edit("-----BEGIN KEY-----\nabc\n-----END KEY-----");
    await clickSave();
    expect.verifySteps([{ value: "-----BEGIN KEY-----\nabc\n-----END KEY-----" }]);
});

test("what was typed is saved once and gone from the page afterwards", async () => {
    await mountSecret();
    await contains(`${FIELD} input`).edit("top-s3cret");
    await clickSave();
    expect.verifySteps([{ value: "top-s3cret" }]);
    expect(`${FIELD} input`).toHaveValue("");
    expect(`${FIELD} input`).toHaveAttribute("placeholder", "stored; type to replace");
    await contains(".o_field_widget[name=name] input").edit("Secret");
    await clickSave();
    expect.verifySteps([{ name: "Secret" }]);
});

test("a value that was not saved is forgotten with the other changes", async () => {
    await mountSecret({ is_set: true });
    await contains(`${FIELD} input`).edit("top-s3cret");
    await clickCancel();
    expect(`${FIELD} input`).toHaveValue("");
    expect.verifySteps([]);
});

test("after an error of the server the value is still there to be saved again", async () => {
    expect.errors(1);
    let broken = true;
    onRpc("psa.credential", "web_save", () => {
        if (broken) {
            throw makeServerError({ message: "The key is not of this system." });
        }
    });
    await mountSecret();
    await contains(`${FIELD} input`).edit("top-s3cret");
    await clickSave();
    expect.verifyErrors(["The key is not of this system."]);
    await contains(".modal .btn-primary").click();
    expect(`${FIELD} input`).toHaveValue("top-s3cret");
    broken = false;
    await clickSave();
    expect.verifySteps([{ value: "top-s3cret" }]);
});

test("read-only shows whether there is a value, and dots for a typed one", async () => {
    const readonly = FORM.replace("psa_secret", `psa_secret" readonly="1`);
    await mountSecret({ value: "top-s3cret" }, readonly);
    expect(`${FIELD} input`).toHaveCount(0);
    expect(FIELD).toHaveText("••••••••");
});

test("read-only of an empty value", async () => {
    await mountSecret({}, FORM.replace("psa_secret", `psa_secret" readonly="1`));
    expect(FIELD).toHaveText("not set");
});

test("a row that is left shows dots, not what was typed in it", async () => {
    await mountSecret({}, LIST);
    expect(`.o_data_cell[name=value]`).toHaveText("not set");
    await contains(`.o_data_cell[name=value]`).click();
    expect(`${FIELD} input`).toHaveAttribute("type", "password"); // it reads what the view does not ask for
    await contains(`${FIELD} input`).edit("top-s3cret", { confirm: false });
    await contains(`.o_data_cell[name=name] input`).click();
    expect(`${FIELD} input`).toHaveValue("top-s3cret");
    await contains(".o_list_renderer").click();
    expect.verifySteps([{ value: "top-s3cret" }]);
    expect(`.o_data_cell[name=value]`).toHaveText("stored; type to replace");
});
