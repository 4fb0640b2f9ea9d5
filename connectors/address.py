"""Which network addresses the hub may call, and connections that go to no other.

The name is resolved once, every answer is checked, and the connection is made to a checked address, so that a name
that changes its mind between check and connect (DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from .errors import UnsafeUrlError

# Metadata services of the large clouds that lie in otherwise usable ranges; never called, sandbox or not.
_METADATA = tuple(ipaddress.ip_address(text) for text in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _embedded(address):
    """Return the IPv4 addresses that an IPv6 address stands for (mapped, 6to4, Teredo, NAT64)."""
    if address.version == 4:
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [item for item in found if item is not None]


def refusal(address_text, allow_private):
    """Return why ``address_text`` (an IP address) may not be called, or an empty string."""
    address = ipaddress.ip_address(address_text.partition("%")[0])
    for candidate in (address, *_embedded(address)):
        if candidate in _METADATA or candidate.is_link_local:
            return "is a link-local or cloud metadata address"
        if candidate.is_multicast or candidate.is_unspecified:
            return "is not the address of one machine"
        if not allow_private and not candidate.is_global:
            return "is not a public address"
    return ""


def check_url(url, allow_private):
    """Check scheme and form of ``url``.

    :raise UnsafeUrlError: not https (nor http when ``allow_private``), no host, or credentials inside the address
    """
    parts = urlsplit(url)
    if parts.scheme not in (("https", "http") if allow_private else ("https",)):
        raise UnsafeUrlError(f"The address of {parts.hostname or 'the vendor'} must begin with https://")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise UnsafeUrlError("The address must name a host and hold no user name or password")


def resolve(host, port, allow_private):
    """Return the checked socket addresses ``[(family, sockaddr)]`` of ``host``.

    :raise UnsafeUrlError: one of them may not be called (then none is: a mixed answer is an attack or a mistake)
    :raise OSError: the name cannot be resolved
    """
    found = []
    for family, _kind, _proto, _name, sockaddr in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        reason = refusal(sockaddr[0], allow_private)
        if reason:
            raise UnsafeUrlError(f"{host} {reason} ({sockaddr[0]})")
        found.append((family, sockaddr))
    return found


def _connect(connection, allow_private):
    host = connection.host.strip("[]")
    try:
        addresses = resolve(host, connection.port, allow_private)
    except OSError as error:
        raise NewConnectionError(connection, f"{host} cannot be resolved: {error}") from error
    failure = None
    for family, sockaddr in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            for option in connection.socket_options or ():
                sock.setsockopt(*option)
            sock.settimeout(connection.timeout)
            sock.connect(sockaddr)
            return sock
        except TimeoutError as error:
            sock.close()
            failure = ConnectTimeoutError(connection, f"Connection to {host} timed out")
            failure.__cause__ = error
        except OSError as error:
            sock.close()
            failure = NewConnectionError(connection, f"Connection to {host} failed: {error}")
            failure.__cause__ = error
    raise failure or NewConnectionError(connection, f"{host} has no address")


def _pools(allow_private):
    class CheckedHTTPConnection(HTTPConnection):
        def _new_conn(self):
            return _connect(self, allow_private)

    class CheckedHTTPSConnection(HTTPSConnection):
        def _new_conn(self):
            return _connect(self, allow_private)

    class CheckedHTTPPool(HTTPConnectionPool):
        ConnectionCls = CheckedHTTPConnection

    class CheckedHTTPSPool(HTTPSConnectionPool):
        ConnectionCls = CheckedHTTPSConnection

    return {"http": CheckedHTTPPool, "https": CheckedHTTPSPool}


class CheckedAdapter(HTTPAdapter):
    """Requests adapter whose every new connection goes to a checked address."""

    def __init__(self, allow_private):
        self._allow_private = allow_private
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args, **kwargs):
        result = super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._allow_private)
        return result
