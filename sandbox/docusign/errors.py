"""How DocuSign refuses: the API with ``errorCode``, the OAuth host with ``error``."""

from ..messages import json_response


class ApiError(Exception):
    """:param status: HTTP status; :param code: errorCode"""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self):
        return {"errorCode": self.code, "message": self.message}

    def response(self):
        return json_response(self.body(), self.status)


class OAuthError(ApiError):

    def body(self):
        return {"error": self.code, **({"error_description": self.message} if self.message else {})}


def invalid(message):
    return ApiError(400, "INVALID_REQUEST_PARAMETER", message)
