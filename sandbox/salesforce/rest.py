"""The REST resources below ``/services/data/vXX.X``."""

from email.utils import format_datetime, parsedate_to_datetime

from ..clock import START
from ..messages import Response, json_response
from . import replication
from .bulk import BulkQueries
from .collection_calls import Collections
from .composite import Composite
from .errors import ApiError
from .records import Records


def not_found():
    return ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def not_allowed(method):
    return ApiError(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.")


class Rest:
    """Routes data calls.

    :param store: :class:`Store`; :param queries: :class:`QueryService`
    :param bulk_settings: of :class:`BulkQueries`
    """

    def __init__(self, store, queries, **bulk_settings):
        self.store, self.queries = store, queries
        self.records = Records(store)
        self.collections = Collections(store, self.records)
        self.composite = Composite(store, self.handle)
        self.bulk = BulkQueries(store, **bulk_settings)

    def handle(self, request, version, segments, session):
        """Answer the call on ``segments``, the path after the version.

        :raise ApiError: whatever Salesforce would refuse
        """
        name, *rest = segments
        if name in ("query", "queryAll"):
            if request.method != "GET":
                raise not_allowed(request.method)
            return json_response(self._query(request, version, name, rest, session))
        route = {"sobjects": self._sobjects, "composite": self._composite, "jobs": self._jobs}.get(name)
        if route is None:
            raise not_found()
        return route(request, version, rest, session)

    def _body(self, request):
        try:
            body = request.json()
        except ValueError as error:
            raise ApiError(400, "JSON_PARSER_ERROR", f"Unexpected character in the request body: {error}") from None
        if not isinstance(body, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "the request body must be an object")
        return body

    # === QUERIES === #

    def _query(self, request, version, name, rest, session):
        if rest:
            return self.queries.more(rest[0], version, session.key, request.fault)
        if "q" not in request.query:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        return self.queries.run(request.query["q"], version, session.key, request.headers.get("Sforce-Query-Options"),
                                name == "queryAll", request.fault)

    # === OBJECTS AND RECORDS === #

    def _sobjects(self, request, version, rest, session):
        root = f"/services/data/{version}"
        if not rest:
            visible = [table.spec.summary(root) for key, table in self.store.tables.items()
                       if "*" not in self.store.hidden.get(key, ())]
            return json_response({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": visible})
        try:
            table = self.store.table(rest[0])
        except ApiError:
            raise not_found() from None
        match request.method, rest[1:]:
            case "GET", []:
                return json_response({"objectDescribe": table.spec.summary(root), "recentItems": []})
            case "POST", []:
                return self._create(request, table, root)
            case "GET", ["describe"]:
                return self._describe(request, table, root)
            case "GET", ["updated"]:
                return json_response(replication.updated(self.store, table, request.query))
            case "GET", ["deleted"]:
                return json_response(replication.deleted(self.store, table, request.query))
            case method, [id_]:
                return self._record(request, method, table, id_, root)
            case method, [field, value]:
                return self._external(request, method, table, field, value, root)
        raise not_found()

    def _describe(self, request, table, root):
        """The description never changes while the sandbox runs, so it is as old as the clock's start."""
        since = request.headers.get("If-Modified-Since")
        if since and not self.store.hidden and parsedate_to_datetime(since) >= START:
            return Response(304)
        hidden = self.store.hidden.get(table.spec.name.lower(), frozenset())
        return json_response(table.spec.describe(root, hidden),
                             headers={"Last-Modified": format_datetime(START, usegmt=True)})

    def _lock_fault(self, request):
        if request.fault and request.fault.kind == "lock_row":
            raise ApiError(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", [])

    def _create(self, request, table, root):
        self._lock_fault(request)
        with self.store.writing():
            row = self.records.create(table, self._body(request))
        return json_response({"id": row["Id"], "success": True, "errors": []}, 201,
                             {"Location": f"{root}/sobjects/{table.spec.name}/{row['Id']}"})

    def _record(self, request, method, table, id_, root):
        if method == "GET":
            with self.store.lock:
                fields = request.query.get("fields")
                row = self.records.find(table, id_)
                return json_response(self.records.as_json(table, row, root, fields and fields.split(",")))
        self._lock_fault(request)
        with self.store.writing():
            if method == "PATCH":
                self.records.update(table, id_, self._body(request))
            elif method == "DELETE":
                self.records.delete(table, id_)
            else:
                raise not_allowed(method)
        return Response(204)

    def _external(self, request, method, table, field, value, root):
        with self.store.writing():
            if method == "PATCH":
                return self._upsert(request, table, field, value, root)
            _spec, rows = self.records.find_external(table, field, value)
            if not rows:
                raise not_found()
            if len(rows) > 1:
                return _choices(table, rows, root)
            if method == "GET":
                return json_response(self.records.as_json(table, rows[0], root))
            if method == "DELETE":
                self.records.delete(table, rows[0]["Id"])
                return Response(204)
        raise not_allowed(method)

    def _upsert(self, request, table, field, value, root):
        self._lock_fault(request)
        update_only = request.query.get("updateOnly", "").lower() == "true"
        _spec, rows = self.records.find_external(table, field, value)
        if len(rows) > 1:
            return _choices(table, rows, root)
        row, created = self.records.upsert(table, field, value, self._body(request), update_only)
        return json_response({"id": row["Id"], "success": True, "errors": [], "created": created},
                             201 if created else 200)

    # === SEVERAL AT ONCE === #

    def _composite(self, request, version, rest, session):
        root = f"/services/data/{version}"
        match request.method, rest:
            case "POST", []:
                return json_response(self.composite.run(self._body(request), session))
            case "POST", ["batch"]:
                return json_response(self.composite.batch(self._body(request), session))
            case ("POST" | "PATCH") as method, ["sobjects"]:
                return json_response(self.collections.write(method, self._body(request), request.fault))
            case "DELETE", ["sobjects"]:
                all_or_none = request.query.get("allOrNone", "").lower() == "true"
                return json_response(self.collections.delete(request.query.get("ids", ""), all_or_none, request.fault))
            case "PATCH", ["sobjects", name, field]:
                return json_response(self.collections.write("PATCH", self._body(request), request.fault, name, field))
            case "GET", ["sobjects", name]:
                wanted, fields = request.query.get("ids", "").split(","), request.query.get("fields", "").split(",")
                return json_response(self.collections.read(name, wanted, fields, root))
            case "POST", ["sobjects", name]:
                body = self._body(request)
                return json_response(self.collections.read(name, body.get("ids", []), body.get("fields", []), root))
        raise not_found()

    # === BULK === #

    def _jobs(self, request, version, rest, session):
        match request.method, rest:
            case "POST", ["query"]:
                return json_response(self.bulk.create(self._body(request), version))
            case "GET", ["query"]:
                return json_response({"done": True, "records": [
                    self.bulk.describe(job) for job in self.bulk.jobs.values()], "nextRecordsUrl": None})
            case "GET", ["query", id_]:
                return json_response(self.bulk.describe(self.bulk.find(id_)))
            case "PATCH", ["query", id_]:
                return json_response(self.bulk.change(self.bulk.find(id_), self._body(request)))
            case "DELETE", ["query", id_]:
                self.bulk.remove(self.bulk.find(id_))
                return Response(204)
            case "GET", ["query", id_, "results"]:
                return self.bulk.results(self.bulk.find(id_), request.query, version)
        raise not_found()


def _choices(table, rows, root):
    """Return the answer to an external id that several records have."""
    return json_response([f"{root}/sobjects/{table.spec.name}/{row['Id']}" for row in rows], 300)
