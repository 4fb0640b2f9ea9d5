"""How Stripe says no."""


class ApiError(Exception):
    """An answer with an error body.

    :param fields: further fields of the error object (``code``, ``param``, ``type``)
    """

    def __init__(self, status, message, headers=None, **fields):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}
        self.fields = {"type": "invalid_request_error", **fields}

    def body(self):
        error = {"message": self.message, **self.fields}
        if code := error.get("code"):
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        return {"error": error}


def missing(object_name, id_, param="id", status=404):
    return ApiError(status, f"No such {object_name}: '{id_}'", code="resource_missing", param=param)


def unknown_parameter(name):
    return ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
