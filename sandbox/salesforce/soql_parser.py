"""SOQL text -> syntax tree. Knows the grammar, nothing of objects or fields.

Supported: field lists with parent paths and child sub-queries, ``count()``, WHERE with AND / OR / NOT, parentheses,
``= != <> < <= > >= LIKE IN NOT IN`` and semi-joins, string, number, boolean, null, date and instant literals and a few
date words, ORDER BY several fields with NULLS FIRST / LAST, LIMIT, OFFSET.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .errors import ApiError

_TOKEN = re.compile(r"""
    (?P<space>\s+)
  | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?\d+(?:\.\d+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<name>[A-Za-z_][\w.]*(?::\d+)?)
  | (?P<symbol><=|>=|!=|<>|[=<>(),])
""", re.VERBOSE)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_DATE_WORDS = ("today", "yesterday", "tomorrow", "last_n_days")


@dataclass(slots=True)
class Literal:
    """A value: ``kind`` is string, number, boolean, null, date, instant or dateword.

    :param raw: text of a string with its escapes, for LIKE, where an escaped wildcard is plain
    """

    kind: str
    value: object
    raw: str = ""


@dataclass(slots=True)
class Compare:
    path: str
    operator: str
    value: object


@dataclass(slots=True)
class Combine:
    """``operator`` is and, or, not (one part)."""

    operator: str
    parts: list


@dataclass(slots=True)
class Query:
    """``fields`` holds paths (str) and child sub-queries (:class:`Query`); ``orders`` is (path, descending, nulls)."""

    object: str = ""
    fields: list = field(default_factory=list)
    count: bool = False
    where: object = None
    orders: list = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def malformed(message):
    return ApiError(400, "MALFORMED_QUERY", message)


def _tokens(text):
    position, tokens = 0, []
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise malformed(f"line 1:{position} no viable alternative at character '{text[position]}'")
        if match.lastgroup != "space":
            tokens.append((match.lastgroup, match.group(), position))
        position = match.end()
    return tokens


def unescape(text):
    """Return the text of a string literal without its escapes."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)


def instant_text(text):
    """Return an instant literal as stored instants are written (UTC, milliseconds)."""
    value = text.replace("Z", "+00:00")
    if re.search(r"[+-]\d{4}$", value):
        value = value[:-2] + ":" + value[-2:]
    moment = datetime.fromisoformat(re.sub(r"\.\d+", "", value)).astimezone(timezone.utc)
    fraction = re.search(r"\.(\d+)", text)
    millis = (fraction.group(1) + "000")[:3] if fraction else "000"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis}+0000"


class _Parser:
    def __init__(self, text):
        self.tokens = _tokens(text)
        self.index = 0

    # --- token helpers

    def peek(self, ahead=0):
        """Return the token in lower case when it is a name or symbol, else its kind in angle brackets."""
        if self.index + ahead >= len(self.tokens):
            return ""
        kind, value, _position = self.tokens[self.index + ahead]
        return value.lower() if kind in ("name", "symbol") else f"<{kind}>"

    def take(self):
        if self.index >= len(self.tokens):
            raise malformed("unexpected token: '<EOF>'")
        token = self.tokens[self.index]
        self.index += 1
        return token

    def accept(self, *words):
        if all(self.peek(ahead) == word for ahead, word in enumerate(words)):
            self.index += len(words)
            return True
        return False

    def expect(self, word):
        if not self.accept(word):
            found = self.tokens[self.index][1] if self.index < len(self.tokens) else "<EOF>"
            raise malformed(f"unexpected token: '{found}', expected '{word}'")

    def name(self):
        kind, value, position = self.take()
        if kind != "name":
            raise malformed(f"line 1:{position} unexpected token: '{value}'")
        return value

    def number(self):
        kind, value, position = self.take()
        if kind != "number" or not value.isdigit():
            raise malformed(f"line 1:{position} expecting a whole number, found '{value}'")
        return int(value)

    # --- grammar

    def query(self, inner=False):
        self.expect("select")
        query = Query()
        if self.accept("count", "(", ")"):
            query.count = True
        else:
            self._fields(query, inner)
        self.expect("from")
        query.object = self.name()
        if self.accept("where"):
            query.where = self.disjunction()
        if self.accept("order", "by"):
            query.orders = [self._order()]
            while self.accept(","):
                query.orders.append(self._order())
        if self.accept("limit"):
            query.limit = self.number()
        if self.accept("offset"):
            query.offset = self.number()
            if query.offset > 2000:
                raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        return query

    def _fields(self, query, inner):
        while True:
            if self.peek() == "(":
                if inner:
                    raise malformed("only one level of child sub-queries is supported")
                self.expect("(")
                query.fields.append(self.query(inner=True))
                self.expect(")")
            else:
                query.fields.append(self.name())
            if not self.accept(","):
                return

    def _order(self):
        path = self.name()
        descending = self.accept("desc")
        if not descending:
            self.accept("asc")
        nulls = "last" if descending else "first"
        if self.accept("nulls", "first"):
            nulls = "first"
        elif self.accept("nulls", "last"):
            nulls = "last"
        return path, descending, nulls

    def disjunction(self):
        first = self.conjunction()
        if self.peek() != "or":
            return first
        parts = [first]
        while self.accept("or"):
            parts.append(self.condition())
        if self.peek() == "and":
            raise malformed("unexpected token: 'AND' (mixing AND and OR needs parentheses)")
        return Combine("or", parts)

    def conjunction(self):
        first = self.condition()
        parts = [first]
        while self.accept("and"):
            parts.append(self.condition())
        if len(parts) > 1 and self.peek() == "or":
            raise malformed("unexpected token: 'OR' (mixing AND and OR needs parentheses)")
        return first if len(parts) == 1 else Combine("and", parts)

    def condition(self):
        if self.accept("not"):
            return Combine("not", [self.condition()])
        if self.accept("("):
            inner = self.disjunction()
            self.expect(")")
            return inner
        path = self.name()
        if self.accept("not", "in"):
            return Combine("not", [Compare(path, "in", self._members())])
        if self.accept("in"):
            return Compare(path, "in", self._members())
        _kind, operator, position = self.take()
        operator = {"<>": "!="}.get(operator, operator.lower())
        if operator not in ("=", "!=", "<", "<=", ">", ">=", "like"):
            raise malformed(f"line 1:{position} unknown operator '{operator}'")
        return Compare(path, operator, self.literal())

    def _members(self):
        self.expect("(")
        if self.peek() == "select":
            members = self.query(inner=True)
        else:
            members = [self.literal()]
            while self.accept(","):
                members.append(self.literal())
        self.expect(")")
        return members

    def literal(self):
        kind, value, position = self.take()
        if kind == "string":
            return Literal("string", unescape(value[1:-1]), value[1:-1])
        if kind == "number":
            return Literal("number", float(value))
        if kind == "date":
            return Literal("date", value)
        if kind == "instant":
            return Literal("instant", instant_text(value))
        word = value.lower()
        if word in ("true", "false"):
            return Literal("boolean", word == "true")
        if word == "null":
            return Literal("null", None)
        if word.partition(":")[0] in _DATE_WORDS:
            return Literal("dateword", word)
        raise malformed(f"line 1:{position} unexpected token: '{value}'")


def parse(text):
    """Return the :class:`Query` of ``text``.

    :raise ApiError: MALFORMED_QUERY with what was found where
    """
    parser = _Parser(text)
    query = parser.query()
    if parser.index < len(parser.tokens):
        raise malformed(f"unexpected token: '{parser.tokens[parser.index][1]}'")
    return query
