"""How HubSpot words its refusals."""

import uuid

VALIDATION, NOT_FOUND, CONFLICT = "VALIDATION_ERROR", "OBJECT_NOT_FOUND", "CONFLICT"


class ApiError(Exception):
    """A refused call.

    :param details: entries of ``errors``; :param context: of the error itself
    :param policy: name of the limit that was hit, for 429
    """

    def __init__(self, status, category, message, details=(), context=None, policy="", headers=None):
        super().__init__(message)
        self.status, self.category, self.message = status, category, message
        self.details, self.context, self.policy = list(details), context or {}, policy
        self.headers = headers or {}

    def entry(self):
        """Return the error as an entry of a batch's ``errors``."""
        body = {"status": "error", "category": self.category, "message": self.message, "context": self.context}
        if self.details:
            body["errors"] = self.details
        return body

    def body(self):
        body = {"status": "error", "message": self.message, "correlationId": str(uuid.uuid4()),
                "category": self.category}
        if self.context:
            body["context"] = self.context
        if self.details:
            body["errors"] = self.details
        if self.policy:
            body.update(errorType="RATE_LIMIT", policyName=self.policy)
        return body


class OAuthError(Exception):
    """A refused grant."""

    def __init__(self, error, description, status=400):
        super().__init__(description)
        self.error, self.description, self.status = error, description, status

    def body(self):
        return {"error": self.error, "error_description": self.description, "message": self.description,
                "status": self.error.upper(), "correlationId": str(uuid.uuid4())}


def invalid(message, code="", **context):
    """Return the 400 of a request that the documentation does not allow."""
    details = [{"message": message, "code": code, "context": {key: [value] for key, value in context.items()}}]
    return ApiError(400, VALIDATION, message, details if code else ())


def not_found(what, record_id):
    return ApiError(404, NOT_FOUND, f"Object not found: {what} {record_id}", context={"id": [str(record_id)]})


def rate_limit(policy):
    """Return the 429 of a limit: ``SECONDLY``, ``TEN_SECONDLY_ROLLING`` or ``DAILY``."""
    return ApiError(429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", policy=policy)


def missing_scopes(scopes):
    """Return the 403 of a token that has none of these scopes."""
    return ApiError(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.", [
        {"message": "One or more of the following scopes are required.",
         "context": {"requiredGranularScopes": list(scopes)}}])
