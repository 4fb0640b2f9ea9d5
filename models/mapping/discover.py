"""Which fields the records of a source have, seen in stored records and in rules. Plain Python, knows no vendor."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher

import jmespath

from ..sync.path import PathError

SAMPLES = 3
DEPTH = 6  # deeper than that no field map reads
_LINES_LOOKED_AT = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NOISE = {"c", "r", "id", "code", "is", "the"}  # suffixes and fillers that names have without meaning much


@dataclass(slots=True)
class SourceField:
    """A field as a path leads to it (``Owner.Name``; ``Lines[].Price`` inside a list).

    :param kinds: kinds of value that were seen: ``text``, ``number``, ``yes/no``, ``list``, ``group``
    :param count: records that have a value
    :param samples: a few different values, as texts
    """

    path: str
    kinds: set = field(default_factory=set)
    count: int = 0
    samples: list = field(default_factory=list)
    label: str = ""
    custom: bool = False

    @property
    def kind(self):
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "mixed" if self.kinds else ""


def kind_of(value):
    """Return the kind of a raw value; an empty text for what is not filled."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes/no"
    if isinstance(value, (int, float, Decimal)):
        return "number"
    if isinstance(value, list):
        return "list"
    return "group" if isinstance(value, dict) else "text"


def step(name):
    """Return a key as a step of a JMESPath."""
    return name if _NAME.match(name) else '"%s"' % name.replace("\\", "\\\\").replace('"', '\\"')


def _walk(value, prefix, depth):
    """Yield ``(path, value)`` of all fields below ``value``."""
    if isinstance(value, dict) and depth < DEPTH:
        for name, inner in value.items():
            path = f"{prefix}.{step(name)}" if prefix else step(name)
            yield path, inner
            yield from _walk(inner, path, depth + 1)
    elif isinstance(value, list) and prefix:
        for inner in value[:_LINES_LOOKED_AT]:
            if isinstance(inner, dict):
                yield from _walk(inner, f"{prefix}[]", depth)


def discover(raws):
    """Return ``({path: SourceField}, number of records)`` of the raw records ``raws`` (an iterable)."""
    found, total = {}, 0
    for raw in raws:
        total += 1
        seen = set()
        for path, value in _walk(raw, "", 0):
            item = found.get(path)
            if item is None:
                item = found[path] = SourceField(path)
            kind = kind_of(value)
            if not kind:
                continue
            item.kinds.add(kind)
            if path not in seen:
                seen.add(path)
                item.count += 1
            if len(item.samples) < SAMPLES and kind not in ("group", "list"):
                text = str(value)[:60]
                if text not in item.samples:
                    item.samples.append(text)
    return found, total


# === PATHS IN RULES === #

def _paths(node, prefix, found):
    """Add the fields that a syntax tree reads below ``prefix``; return the path that its result stands for."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        path = f"{prefix}.{step(node['value'])}" if prefix else step(node["value"])
        found.add(path)
        return path
    if kind in ("subexpression", "index_expression", "pipe"):
        for child in children:
            prefix = _paths(child, prefix, found)
        return prefix
    if kind in ("projection", "filter_projection", "value_projection", "flatten"):
        inner = _paths(children[0], prefix, found)
        inner = inner if inner.endswith("[]") or not inner else f"{inner}[]"
        for child in children[1:]:
            _paths(child, inner, found)
        return inner
    if kind in ("index", "slice"):
        return f"{prefix}[]" if prefix else prefix
    for child in children:
        if isinstance(child, dict):
            _paths(child, prefix, found)
    return prefix


def used_paths(rules):
    """Return ``{source path: {canonical field}}`` of what rules read.

    :param rules: iterable of ``(canonical field, JMESPath)``; the fields of lines are read inside their list
    """
    rules = [(name, path) for name, path in rules if path]
    lists = {name: path for name, path in rules if "." not in name}
    result = {}
    for name, path in rules:
        outer, _dot, inner = name.partition(".")
        prefix = f"{lists.get(outer, '')}[]" if inner and lists.get(outer) else ""
        found = set()
        try:
            _paths(jmespath.compile(path).parsed, prefix, found)
        except PathError:
            continue  # the rule itself says so where it is edited
        for used in found:
            result.setdefault(used, set()).add(name)
    return result


# === SIMILAR NAMES === #

def _words(name):
    last = re.sub(r"^[a-z]{2,5}__", "", name.rpartition(".")[2].strip('"'))
    words = [word.lower() for word in _WORD.findall(last.replace("_", " "))]
    return [word for word in words if word not in _NOISE] or words


def likeness(canonical_name, path):
    """Return how alike a canonical field's name and a source path are, 0 to 1."""
    ours, theirs = _words(canonical_name), _words(path)
    if not ours or not theirs:
        return 0.0
    shared = len(set(ours) & set(theirs)) / len(set(ours) | set(theirs))
    spelt = SequenceMatcher(None, "".join(ours), "".join(theirs)).ratio()
    extra = len(set(theirs) - set(ours))
    within = 0.8 - 0.05 * extra if set(ours) <= set(theirs) else 0.0
    return max(shared, spelt, within)


def suggest(canonical_name, paths, least=0.7):
    """Return the path most like a canonical field's name, or an empty text. A shorter path wins a draw."""
    best = max(((likeness(canonical_name, path), -path.count("."), -len(path), path) for path in paths), default=None)
    return best[3] if best and best[0] >= least else ""
