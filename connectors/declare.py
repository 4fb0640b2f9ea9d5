"""What a connector declares: log-ins, settings, what is read and written."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One value of an authentication method. ``secret`` ones are encrypted and never read back."""

    code: str
    label: str
    secret: bool = False
    required: bool = True
    multiline: bool = False
    help: str = ""


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """``interactive`` means a person consents in the browser (authorize URL + callback)."""

    code: str
    label: str
    fields: tuple[CredentialField, ...]
    interactive: bool = False


@dataclass(frozen=True, slots=True)
class SettingField:
    """A non-secret setting of a connection (base URL, API version, organisation id)."""

    code: str
    label: str
    default: str = ""
    required: bool = False
    help: str = ""


def setting_of(declared, settings, code):
    """Return the text of a setting without blanks around it, or its default.

    :param declared: the connector's :class:`SettingField`
    :param settings: ``{code: text}`` of the connection
    """
    default = next(setting.default for setting in declared if setting.code == code)
    return (settings.get(code) or default).strip()


def address_of(declared, settings, code):
    """Return a base address out of the settings, without a slash at its end."""
    return setting_of(declared, settings, code).rstrip("/")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One object type that can be read.

    :param code: stable name, unique within the connector (``opportunity``)
    :param object_type: the vendor's own object name (``Opportunity``), first half of a binding key
    :param canonical_type: key of ``canonical.TYPES`` that its (whole) records become
    :param parts: object types of the records that :meth:`Connector.split` makes of one record, when not itself
    :param webhook: the vendor can notify changes of it
    :param near_real_time: default freshness
    :param interval_minutes: default poll interval
    :param overlap_seconds: default overlap of the incremental cursor
    """

    code: str
    label: str
    object_type: str
    canonical_type: str
    sequence: int
    parts: tuple[str, ...] = ()
    webhook: bool = False
    near_real_time: bool = False
    interval_minutes: int = 15
    overlap_seconds: int = 600
    page_size: int = 500


@dataclass(frozen=True, slots=True)
class OutboundSpec:
    """One kind of write-back.

    :param code: stable name, unique within the connector
    :param canonical_type: key of ``canonical.OUTBOUND_TYPES``
    :param object_types: external object types this write-back can update
    :param batch_size: records per :meth:`Connector.push` call
    :param creates: the records are made by the hub: their external id is the hub's own (``account.move:57``), and the
        vendor's names of them come back in :attr:`PushResult.data`
    """

    code: str
    label: str
    canonical_type: str
    object_types: tuple[str, ...]
    batch_size: int = 50
    creates: bool = False
