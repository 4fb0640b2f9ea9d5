import { defineMailModels } from "@mail/../tests/mail_test_helpers";
import { expect, queryOne, test } from "@odoo/hoot";
import { defineModels, fields, models, mountView } from "@web/../tests/web_test_helpers";

class Stream extends models.Model {
    _name = "psa.stream";

    last_error = fields.Char();
}

defineMailModels();
defineModels([Stream]);

async function mountSentences(...sentences) {
    Stream._records = sentences.map((last_error, index) => ({ id: index + 1, last_error }));
    await mountView({
        type: "list",
        resModel: "psa.stream",
        arch: `<list><field name="last_error" widget="psa_sentence" width="200px"/></list>`,
    });
}

test("a sentence is shown as it was written, with the whole of it on hover", async () => {
    const sentence = `<b>Refused</b> & "closed"`;
    await mountSentences(sentence);
    expect(".o_psa_clamp").toHaveText(sentence);
    expect(".o_psa_clamp").toHaveAttribute("title", sentence);
    expect(".o_psa_clamp b").toHaveCount(0);
});

test("no sentence leaves the cell empty", async () => {
    await mountSentences(false);
    expect(".o_data_row .o_psa_clamp").toHaveCount(1);
    expect(".o_psa_clamp").toHaveText("");
});

test("a long sentence takes two lines of the row and no more", async () => {
    await mountSentences("Short.", "The system refused the record because its customer is not known there. ".repeat(50));
    const heightOf = (row) => queryOne(`.o_data_row:eq(${row}) .o_psa_clamp`).clientHeight;
    const long = queryOne(".o_data_row:eq(1) .o_psa_clamp");
    expect(long.clientHeight).toBeWithin(heightOf(0) * 1.5, heightOf(0) * 2.5);
    expect(long.scrollHeight).toBeGreaterThan(long.clientHeight);
});
