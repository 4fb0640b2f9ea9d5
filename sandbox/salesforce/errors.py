"""The two shapes of a Salesforce error: an array for data calls, an object for OAuth calls."""


class ApiError(Exception):
    """A refused data call.

    :param status: HTTP status
    :param code: Salesforce's ``errorCode``
    :param fields: names of the fields that caused it, or None when the answer carries no ``fields`` key
    """

    def __init__(self, status, code, message, fields=None):
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, fields

    def body(self):
        """Return the JSON body of a whole-request error."""
        entry = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = list(self.fields)
        return [entry]

    def record_error(self):
        """Return the entry of a collection's per-record ``errors``."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


class OAuthError(Exception):
    """A refused token call."""

    def __init__(self, error, description, status=400):
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

    def body(self):
        return {"error": self.error, "error_description": self.description}
