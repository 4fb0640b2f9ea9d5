"""The REST resources below ``/services/data/vXX.X``."""

from ..messages import json_response
from .errors import ApiError


def not_found(message="The requested resource does not exist"):
    return ApiError(404, "NOT_FOUND", message)


class Rest:
    """Routes data calls.

    :param store: :class:`Store`
    :param queries: :class:`QueryService`
    """

    def __init__(self, store, queries):
        self.store, self.queries = store, queries

    def jobs_made(self):
        return 0

    def handle(self, request, version, segments, session):
        """Answer the call on ``segments``, the path after the version.

        :raise ApiError: whatever Salesforce would refuse
        """
        name, *rest = segments
        if name in ("query", "queryAll") and request.method == "GET":
            return json_response(self._query(request, version, name, rest, session))
        raise not_found()

    def _query(self, request, version, name, rest, session):
        if rest:
            return self.queries.more(rest[0], version, session.key, request.fault)
        if "q" not in request.query:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        return self.queries.run(request.query["q"], version, session.key, request.headers.get("Sforce-Query-Options"),
                                name == "queryAll", request.fault)
