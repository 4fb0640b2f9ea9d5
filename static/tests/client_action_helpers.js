import { expect } from "@odoo/hoot";
import { getService, mountWebClient, patchWithCleanup } from "@web/../tests/web_test_helpers";

/**
 * Open a client action in the web client. The windows that its page opens are not opened but steps.
 *
 * @param {string} tag
 * @param {object} [params]
 */
export async function openClientAction(tag, params) {
    await mountWebClient();
    const action = getService("action");
    patchWithCleanup(action, {
        doAction(request, options) {
            if (request.type === "ir.actions.client") {
                return super.doAction(...arguments);
            }
            expect.step(options ? [request, options] : request);
        },
    });
    await action.doAction({ type: "ir.actions.client", tag, params });
}

/** The window action that shows one record. */
export function formOf(model, id) {
    return { type: "ir.actions.act_window", res_model: model, res_id: id, views: [[false, "form"]] };
}
