"""How the three servers refuse: Jira and Tempo in JSON of their own, Tempo's gate and the login in other words."""

from ..messages import html_response, json_response


class Refusal(Exception):
    """An answer that is not the one asked for. :param status: HTTP status; :param message: sentence for people"""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message

    def response(self):
        raise NotImplementedError


class JiraError(Refusal):
    """:param field: request field that is to blame, or "" """

    def __init__(self, status, message, field=""):
        super().__init__(status, message)
        self.field = field

    def response(self):
        field_errors = {self.field: self.message} if self.field else {}
        return json_response({"errorMessages": [] if self.field else [self.message], "errors": field_errors,
                              "status": self.status}, self.status)


class TempoError(Refusal):
    """401 and 403 come as a web page, all else as JSON."""

    def response(self):
        if self.status in (401, 403):
            return html_response(self.status, "Unauthorized" if self.status == 401 else "Forbidden", self.message)
        return json_response({"errors": [{"message": self.message}]}, self.status)


class LoginError(Refusal):
    """:param code: OAuth error code"""

    def __init__(self, status, code, message):
        super().__init__(status, message)
        self.code = code

    def response(self):
        return json_response({"error": self.code, "error_description": self.message}, self.status)
