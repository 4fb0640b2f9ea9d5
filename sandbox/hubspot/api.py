"""Routes a call to the part that answers it, after token, limit and scope were checked."""

from ..messages import Response, json_response
from .errors import ApiError, invalid, missing_scopes, not_found, rate_limit
from .objects import PIPELINES, kind_of, pipeline_body
from .reading import known_query, pair
from .writing import batch_body

#: versions in paths by date; the later one tells of failed inputs in a 200
DATES = ("2026-03", "2026-09")
_LATER = "2026-09"
_NUMBERED = {"objects": "v3", "properties": "v3", "pipelines": "v3", "owners": "v3", "associations": "v4"}
_MAX_TARGET = 8_192


class Api:
    """:param app: the :class:`App` whose parts answer"""

    def __init__(self, app):
        self.app, self.store = app, app.store

    def handle(self, request):
        """Answer a data call; the caller turns an :class:`ApiError` into a response."""
        if len(request.target) > _MAX_TARGET:
            return Response(414, b"URI Too Long", {"Content-Type": "text/plain"})
        segments = request.raw_segments()
        self._outage(request.fault)
        if request.fault and request.fault.kind == "expired_token":
            self.app.authority.expire(request.headers.get("Authorization", ""))
        access = self.app.authority.access(request.headers.get("Authorization"))
        is_search = segments[-1:] == ["search"]
        self.app.limits.count(is_search)
        area, version, rest = self._split(segments)
        if request.fault and request.fault.kind == "missing_scopes":
            raise missing_scopes(["crm.objects.deals.read"])
        status, body = self._answer(request, access, area, version, rest)
        self._spoil(request, body)
        headers = {} if is_search else self.app.limits.headers(access.grant is None)
        return Response(status, b"", headers) if body is None else json_response(body, status, headers)

    def _outage(self, fault):
        kind = fault.kind if fault else ""
        if kind == "search_limit":
            raise rate_limit("SECONDLY")
        if kind == "daily_limit":
            raise rate_limit("DAILY")
        if kind == "locked":
            raise ApiError(423, "LOCKED", "The record is locked by another change, try again in 2 seconds")
        if kind == "migration":
            after = str(fault.options.get("retry_after", 3600))
            raise ApiError(477, "MIGRATION_IN_PROGRESS", "This account is being moved", headers={"Retry-After": after})

    @staticmethod
    def _split(segments):
        """Return ``(area, version, further segments)`` of a path of either style.

        ``/crm/v3/objects/deals`` and ``/crm/objects/2026-03/deals`` are one; of links, v4 has that shape.
        """
        match segments:
            case ["crm", "v4", "objects", kind, record, "associations", *rest]:
                return "links", "v4", [kind, record, *rest]
            case ["crm", "objects", date, kind, record, "associations", *rest] if date in DATES:
                return "links", date, [kind, record, *rest]
            case ["crm", version, area, *rest] if _NUMBERED.get(area) == version:
                return area, version, rest
            case ["crm", area, date, *rest] if area in _NUMBERED and date in DATES:
                return area, date, rest
            case ["account-info", version, "details"] if version in ("v3", *DATES):
                return "account", version, []
        raise not_found("resource", "/".join(segments))

    def _answer(self, request, access, area, version, rest):
        match request.method, area, rest:
            case "GET", "account", []:
                return 200, self.app.account()
            case "GET", "owners", []:
                self._need(access, "crm.objects.owners.read")
                return 200, self.app.owners.list(request.query)
            case "GET", "owners", [owner]:
                self._need(access, "crm.objects.owners.read")
                return 200, self.app.owners.single(owner, request.query)
            case "GET", "pipelines", [kind, *one]:
                return 200, self._pipelines(access, kind_of(kind), one, request.query)
            case _, "properties", [kind, *more]:
                return self._properties(request, access, kind_of(kind), more)
            case _, "objects", [kind, *more]:
                return self._objects(request, access, version, kind_of(kind), more)
            case "POST", "associations", [first, second, "batch", "read"]:
                kind, other = self._pair(access, first, second)
                return self._multi(version, *self.app.reading.links_of_many(
                    kind, other, self._body(request), version == "v4"))
            case "GET", "links", [first, record, second]:
                kind, other = self._pair(access, first, second)
                return 200, self.app.reading.links_of_one(kind, record, other, request.query, version == "v4")
            case "PUT", "links", [first, record, "default", second, other_id]:
                kind, other = pair(first, second)
                self._need(access, f"crm.objects.{kind.scope}.write")
                return 200, {"status": "COMPLETE", "results": self.app.writing.link(kind, record, other, other_id)}
        raise ApiError(405, "METHOD_NOT_ALLOWED", f"{request.method} is not allowed here")

    def _need(self, access, *scopes):
        self.app.authority.need(access, *scopes)

    def _need_kind(self, access, kind, right):
        older = ("e-commerce",) if kind.name == "line_items" else ()
        self._need(access, f"crm.objects.{kind.scope}.{right}", *older)

    def _pair(self, access, first, second):
        kind, other = pair(first, second)
        for one in (kind, other):
            self._need_kind(access, one, "read")
        return kind, other

    @staticmethod
    def _body(request):
        if not request.headers.get("Content-Type", "").startswith("application/json"):
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The content type must be application/json")
        try:
            body = request.json()
        except ValueError as error:
            raise invalid("Invalid input JSON on line 1, column 1") from error
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: an object is expected")
        return body

    def _multi(self, version, results, errors, status=200):
        """Return the answer of a batch: 207 when inputs failed, but a plain success in the later version."""
        now = self.store.now()
        return (207 if errors and version != _LATER else status), batch_body(results, errors, now, now)

    # === RECORDS === #

    def _objects(self, request, access, version, kind, rest):
        reading, writing = self.app.reading, self.app.writing
        is_read = request.method == "GET" or rest in (["search"], ["batch", "read"])
        self._need_kind(access, kind, "read" if is_read else "write")
        match request.method, rest:
            case "GET", []:
                return 200, reading.list(kind, request.query)
            case "POST", []:
                return 201, writing.create(kind, self._body(request))
            case "POST", ["search"]:
                known_query(request.query)
                return 200, reading.search(kind, self._body(request))
            case "POST", ["batch", "read"]:
                return self._multi(version, *reading.batch(kind, self._body(request), request.query))
            case "POST", ["batch", "create"]:
                return self._multi(version, *writing.batch_create(kind, self._body(request)), 201)
            case "POST", ["batch", "update"]:
                return self._multi(version, *writing.batch_update(kind, self._body(request)))
            case "POST", ["batch", "upsert"]:
                return self._multi(version, *writing.batch_upsert(kind, self._body(request)))
            case "POST", ["batch", "archive"]:
                writing.batch_archive(kind, self._body(request))
                return 204, None
            case "POST", ["merge"]:
                return 200, writing.merge(kind, self._body(request))
            case "GET", [record]:
                return 200, reading.single(kind, record, request.query)
            case "PATCH", [record]:
                return 200, writing.patch(kind, record, self._body(request), request.query)
            case "DELETE", [record]:
                writing.archive(kind, record)
                return 204, None
        raise ApiError(405, "METHOD_NOT_ALLOWED", f"{request.method} is not allowed here")

    # === WHAT DESCRIBES THEM === #

    def _pipelines(self, access, kind, one, query):
        known_query(query)
        self._need(access, "crm.objects.deals.read", "crm.schemas.deals.read")
        if kind.name != "deals":
            raise invalid(f"{kind.name} have no pipelines")
        if not one:
            return {"results": [pipeline_body(pipeline) for pipeline in PIPELINES]}
        if len(one) > 1 or one[0] not in PIPELINES:
            raise not_found("pipeline", "/".join(one))
        return pipeline_body(one[0])

    def _properties(self, request, access, kind, rest):
        scope, definitions = f"crm.schemas.{kind.scope}", self.store.definitions
        if request.method == "GET":
            self._need(access, f"{scope}.read", f"crm.objects.{kind.scope}.read")
        else:
            self._need(access, f"{scope}.write")
        with self.store.lock:
            match request.method, rest:
                case "GET", []:
                    known_query(request.query, "archived", "properties", "dataSensitivity")
                    hidden = request.query.get("archived") == "true"
                    return 200, {"results": [] if hidden else list(definitions.properties[kind.name].values())}
                case "GET", ["groups"]:
                    return 200, {"results": list(definitions.groups[kind.name].values())}
                case "POST", ["groups"]:
                    return 201, definitions.add_group(kind.name, self._body(request))
                case "POST", []:
                    body = definitions.add_property(kind.name, self._body(request))
                    if body["hasUniqueValue"]:
                        self.store.tables[kind.name].unique[body["name"]] = {}
                    return 201, body
                case "GET", [name]:
                    return 200, definitions.definition(kind.name, name)
                case "PATCH", [name]:
                    return 200, definitions.change_property(kind.name, name, self._body(request))
        raise ApiError(405, "METHOD_NOT_ALLOWED", f"{request.method} is not allowed here")

    # === FAULTS OF A PAGE === #

    @staticmethod
    def _spoil(request, body):
        """Act out what a fault does to the rows of a page; pages without end are those of lists and searches."""
        fault = request.fault
        if not fault or not isinstance(body, dict) or not body.get("results"):
            return
        if fault.kind == "reordered_page":
            body["results"].reverse()
        elif fault.kind == "duplicate_rows":
            body["results"].append(body["results"][-1])
        elif fault.kind == "endless_paging" and "/batch/" not in request.path:
            following = body.get("paging") or {"next": {"after": "1", "link": "?after=1"}}
            pages = fault.options.setdefault("pages", {})
            body.update(pages.setdefault(request.path, {"results": body["results"], "paging": following}))
