"""The hub's figures in the text format of Prometheus. One query a figure, none of which reads finished messages."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from odoo.tools import SQL

GAUGES = (
    ("psa_hub_messages", "Messages that are not finished.", ("connection", "lane", "state"), """
        SELECT connection.name || ' #' || connection.id, message.lane, message.state, count(*)
          FROM psa_message message JOIN psa_connection connection ON connection.id = message.connection_id
         WHERE message.state NOT IN ('done', 'skipped') GROUP BY 1, 2, 3"""),
    ("psa_hub_oldest_pending_seconds", "Age of the oldest message that is due.", ("connection", "lane"), """
        SELECT connection.name || ' #' || connection.id, message.lane,
               extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - min(message.received_at))
          FROM psa_message message JOIN psa_connection connection ON connection.id = message.connection_id
         WHERE message.state = 'pending' GROUP BY 1, 2"""),
    ("psa_hub_stream_lag_seconds", "Time since a stream was last read completely.", ("connection", "stream"), """
        SELECT connection.name || ' #' || connection.id, stream.code,
               extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - stream.last_success_at)
          FROM psa_stream stream JOIN psa_connection connection ON connection.id = stream.connection_id
         WHERE stream.active AND stream.direction = 'in' AND stream.last_success_at IS NOT NULL"""),
    ("psa_hub_stream_silent", "1: nothing new for longer than expected.", ("connection", "stream"), """
        SELECT connection.name || ' #' || connection.id, stream.code, stream.is_silent::int
          FROM psa_stream stream JOIN psa_connection connection ON connection.id = stream.connection_id
         WHERE stream.active AND stream.silence_hours > 0"""),
    ("psa_hub_breaker_open", "1: the connection waits instead of calling.", ("connection", "kind"), """
        SELECT connection.name || ' #' || connection.id, COALESCE(gate.breaker_kind, ''),
               (gate.breaker_state <> 'closed')::int
          FROM psa_connection_gate gate JOIN psa_connection connection ON connection.id = gate.connection_id
         WHERE connection.active"""),
    ("psa_hub_exceptions", "Open exceptions.", ("company", "cause"), """
        SELECT company.name, exception.cause_code, count(*)
          FROM psa_exception exception JOIN res_company company ON company.id = exception.company_id
         WHERE exception.state NOT IN ('resolved', 'waived') GROUP BY 1, 2"""),
    ("psa_hub_exception_amount", "Money at risk in open exceptions.", ("company", "cause", "currency"), """
        SELECT company.name, exception.cause_code, currency.name, sum(exception.amount)
          FROM psa_exception exception JOIN res_company company ON company.id = exception.company_id
          JOIN res_currency currency ON currency.id = exception.currency_id
         WHERE exception.state NOT IN ('resolved', 'waived') GROUP BY 1, 2, 3"""),
)
COUNTERS = (
    ("psa_hub_webhook_refused", "Deliveries that were turned away.", ("connection", "reason"), """
        SELECT connection.name || ' #' || connection.id, counter.reason, sum(counter.count)
          FROM psa_webhook_counter counter JOIN psa_connection connection ON connection.id = counter.connection_id
         GROUP BY 1, 2"""),
    ("psa_hub_token_refreshes", "Access tokens that were asked for.", ("connection",), """
        SELECT connection.name || ' #' || connection.id, COALESCE(token.refresh_count, 0)
          FROM psa_token token JOIN psa_connection connection ON connection.id = token.connection_id"""),
)


class _Collector:
    def __init__(self, env):
        self._env = env

    def collect(self):
        for family, figures in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, description, labels, query in figures:
                metric = family(name, description, labels=labels)
                for *values, figure in self._env.execute_query(SQL(query)):
                    metric.add_metric([str(value) for value in values], float(figure))
                yield metric


def metrics_text(env):
    """Return the figures as bytes."""
    registry = CollectorRegistry()
    registry.register(_Collector(env))
    return generate_latest(registry)
