"""What an object and its fields are, and the describe answers made from that.

Objects are declared in a small table language, one field a line::

    <API name> <type> [arguments] [+flag ...]

    string 80 | textarea | email | phone | url | boolean | date | datetime | double [scale] | percent | int
    currency [scale] | picklist A;B;C | ref Target[,Target] [child relationship]

Flags: ``+required`` on create, ``+readonly`` (system, formula or roll-up), ``+formula`` (read-only and calculated),
``+once`` (written at creation only), ``+external`` id, ``+unique``, ``+restricted`` picklist.
"""

from dataclasses import dataclass, field

TEXT_TYPES = frozenset(("string", "textarea", "email", "phone", "url", "picklist"))
NUMBER_TYPES = frozenset(("double", "currency", "percent", "int"))


@dataclass(slots=True)
class FieldSpec:
    """One field of an object, as describe tells it."""

    name: str
    type: str
    length: int = 0
    scale: int = 0
    references: tuple = ()
    relationship: str = ""
    children: str = ""
    values: tuple = ()
    required: bool = False
    createable: bool = True
    updateable: bool = True
    calculated: bool = False
    external: bool = False
    unique: bool = False
    restricted: bool = False

    @property
    def default(self):
        """Value of a row that holds none: a checkbox is never null."""
        return False if self.type == "boolean" else None

    def describe(self):
        return {
            "name": self.name, "label": label_of(self.name), "type": self.type, "length": self.length,
            "precision": 18 if self.type in NUMBER_TYPES else 0, "scale": self.scale,
            "custom": self.name.endswith("__c"), "nillable": not self.required and self.type != "boolean",
            "createable": self.createable, "updateable": self.updateable, "calculated": self.calculated,
            "filterable": self.type != "textarea", "sortable": self.type != "textarea",
            "externalId": self.external, "idLookup": self.external or self.name == "Id", "unique": self.unique,
            "referenceTo": list(self.references), "relationshipName": self.relationship or None,
            "restrictedPicklist": self.restricted, "defaultedOnCreate": self.type == "boolean",
            "picklistValues": [
                {"value": value, "label": value, "active": True, "defaultValue": False} for value in self.values],
        }


@dataclass(slots=True)
class ObjectSpec:
    """One object.

    :param prefix: first three characters of its ids
    :param fields: ``{name in lower case: FieldSpec}`` (SOQL does not mind the case of names)
    """

    name: str
    prefix: str
    fields: dict = field(default_factory=dict)
    #: {child relationship in lower case: (relationship, child object, child field)}
    children: dict = field(default_factory=dict)
    #: {parent relationship in lower case: FieldSpec}
    parents: dict = field(default_factory=dict)

    def field(self, name):
        """Return the :class:`FieldSpec` of ``name``, or None."""
        return self.fields.get(name.lower())

    def summary(self, root):
        """Return the object's entry in the list of objects; ``root`` is the versioned path."""
        url = f"{root}/sobjects/{self.name}"
        return {
            "name": self.name, "label": label_of(self.name), "keyPrefix": self.prefix, "custom": "__c" in self.name,
            "queryable": True, "retrieveable": True, "createable": True, "updateable": True, "deletable": True,
            "replicateable": True, "searchable": True, "mergeable": self.name in ("Account", "Contact"),
            "urls": {"sobject": url, "describe": f"{url}/describe", "rowTemplate": f"{url}/{{ID}}"},
        }

    def describe(self, root, hidden=frozenset()):
        """Return the describe answer without the ``hidden`` field names."""
        return {
            **self.summary(root),
            "fields": [spec.describe() for spec in self.fields.values() if spec.name not in hidden],
            "childRelationships": [
                {"childSObject": child, "field": link, "relationshipName": name}
                for name, child, link in self.children.values()],
            "recordTypeInfos": [],
        }


def label_of(name):
    """Return a readable label of an API name: ``pse__Bill_Rate__c`` -> ``Bill Rate``."""
    return name.removeprefix("pse__").removesuffix("__c").replace("_", " ")


_SYSTEM = """
    Id                  id +readonly
    IsDeleted           boolean +readonly
    CreatedDate         datetime +readonly
    CreatedById         ref User +readonly
    LastModifiedDate    datetime +readonly
    LastModifiedById    ref User +readonly
    SystemModstamp      datetime +readonly
"""


def _parse_field(line):
    words = line.split()
    name, kind = words[0], words[1]
    arguments = [word for word in words[2:] if not word.startswith("+")]
    flags = {word[1:] for word in words[2:] if word.startswith("+")}
    read_only = bool(flags & {"readonly", "formula"})
    spec = FieldSpec(
        name, "reference" if kind == "ref" else kind, required="required" in flags, createable=not read_only,
        updateable=not read_only and "once" not in flags, calculated="formula" in flags,
        external="external" in flags, unique="unique" in flags, restricted="restricted" in flags)
    if kind == "ref":
        spec.references = tuple(arguments[0].split(","))
        spec.children = arguments[1] if len(arguments) > 1 else ""
        spec.relationship = name.removesuffix("__c") + "__r" if name.endswith("__c") else name.removesuffix("Id")
        spec.length = 18
    elif kind == "picklist":
        spec.values = tuple(value.replace("_", " ") for value in arguments[0].split(";")) if arguments else ()
        spec.length = 255
    elif kind in ("string", "textarea", "email", "phone", "url"):
        spec.length = int(arguments[0]) if arguments else {"string": 255, "phone": 40}.get(kind, 32768)
    elif kind in ("currency", "double"):
        spec.scale = int(arguments[0]) if arguments else 2
    elif kind == "id":
        spec.length = 18
    return spec


def build(declarations):
    """Return ``{object name in lower case: ObjectSpec}`` of ``declarations``.

    :param declarations: iterable of ``(object name, key prefix, field table)``
    """
    objects = {}
    for name, prefix, table in declarations:
        spec = ObjectSpec(name, prefix)
        for line in (_SYSTEM + table).splitlines():
            if line.strip():
                parsed = _parse_field(line)
                spec.fields[parsed.name.lower()] = parsed
        objects[name.lower()] = spec
    for spec in objects.values():
        for parsed in spec.fields.values():
            if not parsed.references:
                continue
            spec.parents[parsed.relationship.lower()] = parsed
            for target in parsed.references:
                if parsed.children:
                    objects[target.lower()].children[parsed.children.lower()] = (
                        parsed.children, spec.name, parsed.name)
    return objects
