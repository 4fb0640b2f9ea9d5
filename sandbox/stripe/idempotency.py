"""``Idempotency-Key``: the first answer to a key is kept for a day and given again."""

import json

from .errors import ApiError

_KEPT_SECONDS = 86_400
_LONGEST = 255


class Answers:
    """:param clock: the stand-in's clock, by which answers are forgotten"""

    def __init__(self, clock):
        self._clock, self._kept = clock, {}

    def given(self, account_key, key, request_text):
        """Return ``(status, body)`` that was given to ``key`` before, or None.

        :param request_text: path and parameters, which must be the same every time
        :raise ApiError: the key is too long, or it came with other parameters
        """
        if len(key) > _LONGEST:
            raise ApiError(400, f"Idempotency keys can be at most {_LONGEST} characters long.")
        stored = self._kept.get((account_key, key))
        if stored is None or self._now() - stored[0] > _KEPT_SECONDS:
            return None
        _second, text, status, body = stored
        if text != request_text:
            raise ApiError(400, "Keys for idempotent requests can only be used with the same parameters they were "
                                f"first used with. Try using a key other than '{key}' if you meant to execute a "
                                "different request.", type="idempotency_error")
        return status, json.loads(body)

    def keep(self, account_key, key, request_text, status, body):
        self._kept[account_key, key] = (self._now(), request_text, status, json.dumps(body))

    def _now(self):
        return self._clock.now().timestamp()
