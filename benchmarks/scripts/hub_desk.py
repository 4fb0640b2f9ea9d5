"""Time what a finance person opens first, with many open exceptions and very many messages behind them."""

import json
import os
import statistics
import time

exceptions, messages = int(os.environ["BENCH_EXCEPTIONS"]), int(os.environ["BENCH_MESSAGES"])
connection = env["psa.connection"].search([("connector_code", "=", "bench")])
stream = connection.stream_ids.filtered(lambda item: item.code == "noop" and item.direction == "in")
company = connection.company_id
causes = env["psa.exception.cause"].search([], order="id")
env.cr.execute("""
    INSERT INTO psa_exception (
        name, cause_id, cause_code, subject_key, company_id, connection_id, currency_id, amount, stated_amount,
        holder_count, recurrence_count, state, user_id, first_seen, last_seen, date_due, closed_at,
        create_uid, create_date, write_uid, write_date)
    SELECT 'What happened, no. ' || number, cause.id, cause.code, 'bench:' || number, %(company)s, %(connection)s,
           %(currency)s, (number::bigint * 7919) %% 100000 / 10.0, 0, 1, 1,
           CASE WHEN number %% 5 = 0 THEN 'resolved' WHEN number %% 3 = 0 THEN 'assigned' ELSE 'new' END,
           CASE WHEN number %% 3 = 0 THEN %(user)s END,
           now() - (number %% 90) * INTERVAL '1 day', now(), current_date + (number %% 30)::int - 15,
           CASE WHEN number %% 5 = 0 THEN now() END, 1, now(), 1, now()
      FROM generate_series(1, %(count)s) number
      JOIN psa_exception_cause cause ON cause.id = (%(causes)s::int[])[1 + number %% %(cause_count)s]
""", {"company": company.id, "connection": connection.id, "currency": company.currency_id.id, "count": exceptions,
      "user": env.ref("base.user_admin").id, "causes": causes.ids, "cause_count": len(causes)})
env.cr.execute("""
    INSERT INTO psa_message (
        connection_id, stream_id, company_id, direction, lane, dedupe_key, object_type, external_id, operation, origin,
        payload, state, wait_key, exception_id, risk_amount, attempt_count, received_at, done_at,
        create_uid, create_date, write_uid, write_date)
    SELECT %(connection)s, %(stream)s, %(company)s, 'in', 'transaction', 'd' || number, 'Noop', 'd' || number, 'upsert',
           'pull', '{"name": "n"}', CASE WHEN held THEN 'held' ELSE 'done' END,
           CASE WHEN held THEN 'bench:' || number / 10 END, exception.id, CASE WHEN held THEN 10 END, 0,
           now() - number %% 400 * INTERVAL '1 day', CASE WHEN NOT held THEN now() END, 1, now(), 1, now()
      FROM (SELECT number, number %% 10 = 0 AND number / 10 <= %(exceptions)s AS held
              FROM generate_series(1, %(count)s) number) wanted
 LEFT JOIN psa_exception exception ON held AND exception.subject_key = 'bench:' || number / 10
       AND exception.state IN ('new', 'assigned')
""", {"connection": connection.id, "stream": stream.id, "company": company.id, "count": messages,
      "exceptions": exceptions})
env.cr.commit()
env.cr._cnx.autocommit = True
env.cr.execute("VACUUM ANALYZE psa_message")
env.cr.execute("VACUUM ANALYZE psa_exception")
env.cr._cnx.autocommit = False

operator = env["res.users"].with_context(no_reset_password=True).create({
    "name": "Bench", "login": "bench_operator", "company_id": company.id, "company_ids": [(6, 0, company.ids)],
    "group_ids": [(6, 0, [env.ref("psa_hub.group_operator").id])]})
desk = env(user=operator, context={"allowed_company_ids": company.ids})
CARD = {name: {} for name in ("name", "sentence", "open_count", "open_amount", "unassigned_count", "oldest")}
ROW = {"name": {}, "amount": {}, "state": {}, "holder_count": {}, "recurrence_count": {}, "date_due": {},
       "cause_id": {"fields": {"display_name": {}}}, "user_id": {"fields": {"display_name": {}}},
       "partner_id": {"fields": {"display_name": {}}}}


def cards():
    desk["psa.exception.cause"].web_search_read([("has_open", "=", True)], CARD)


def rows():
    desk["psa.exception"].web_search_read([("is_open", "=", True)], ROW, limit=80, count_limit=10_001)


def one_cause():
    desk["psa.exception"].web_search_read(
        [("is_open", "=", True), ("cause_id", "=", causes[:1].id)], ROW, limit=80, count_limit=10_001)


def dashboard():
    desk["psa.dashboard"].get_figures()


def inbox():
    desk["psa.message"].web_search_read(
        [("state", "not in", ("done", "skipped"))], {"external_id": {}, "state": {}}, limit=80, count_limit=10_001)


taken = {}
for figure in (cards, rows, one_cause, dashboard, inbox):
    seconds = []
    for _round in range(7):
        env.invalidate_all()
        began = time.perf_counter()
        figure()
        seconds.append(time.perf_counter() - began)
    taken[figure.__name__] = statistics.median(seconds[2:])
print("BENCH", json.dumps(taken))
