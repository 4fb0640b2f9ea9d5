"""How Harvest says no."""


class ApiError(Exception):
    """An answer with ``{"code", "message"}``."""

    def __init__(self, status, message, headers=None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}

    def body(self):
        return {"code": self.status, "message": self.message}


class OAuthError(ApiError):
    """An answer with ``{"error", "error_description"}``."""

    def __init__(self, status, error, description):
        super().__init__(status, description)
        self.error = error

    def body(self):
        return {"error": self.error, "error_description": self.message}


def invalid_token():
    return OAuthError(401, "invalid_token", "The access token provided is expired, revoked, malformed or invalid for "
                                            "other reasons.")


def not_found():
    return ApiError(404, "Record not found")
