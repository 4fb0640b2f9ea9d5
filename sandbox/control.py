"""The control API under ``/_sandbox``: what a test or a person uses to steer and inspect a stand-in."""

from .messages import json_response

CONTROL_PREFIX = "/_sandbox"


def control(sandbox, request):
    """Answer a request to the control API.

    ``GET manifest | credentials | log[?since=] | faults | clock | health``, ``POST faults | advance | clock``,
    ``DELETE faults``, and whatever the vendor's app adds in ``control(method, name, values)``.
    """
    name = request.path.removeprefix(CONTROL_PREFIX).strip("/")
    try:
        values = request.json() if request.body else {}
        if not isinstance(values, dict):
            raise TypeError("the body must be a JSON object")
        answer = _own(sandbox, request.method, name, values, request.query)
        if answer is None:
            answer = sandbox.app.control(request.method, name, values)
    except (ValueError, TypeError, KeyError) as error:
        return json_response({"error": str(error)}, 400)
    if answer is None:
        return json_response({"error": f"no {request.method} {name}"}, 404)
    return json_response(answer)


def _own(sandbox, method, name, values, query):
    match method, name:
        case "GET", "manifest":
            return sandbox.manifest
        case "GET", "credentials":
            return sandbox.credentials
        case "GET", "health":
            return {"ok": not sandbox.errors, "errors": sandbox.errors, "now": sandbox.clock.now().isoformat()}
        case "GET", "log":
            return {"entries": sandbox.log(int(query.get("since", 0)))}
        case "GET", "faults":
            return {"faults": sandbox.faults.pending(), "kinds": sorted(sandbox.faults.kinds)}
        case "POST", "faults":
            return sandbox.faults.add(**values).as_dict()
        case "DELETE", "faults":
            sandbox.faults.clear()
            return {"faults": []}
        case "POST", "advance":
            return sandbox.advance()
        case "GET", "clock":
            return {"now": sandbox.clock.now().isoformat()}
        case "POST", "clock":
            sandbox.clock.forward(float(values["seconds"]))
            return {"now": sandbox.clock.now().isoformat()}
    return None
