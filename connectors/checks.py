"""Lines of a connection test that read the same for every vendor."""

from .base import Check
from .errors import ConnectorError, DataError, MissingScopeError, TransientError


def check_login(look, label="Login"):
    """Return the line of the login. Without it nothing works, so that a failure blocks the whole connection.

    :param look: f() that makes a call and returns what it found, for people
    :raise TransientError: no answer; that says nothing about the login
    """
    try:
        return Check("login", label, True, look())
    except TransientError:
        raise
    except ConnectorError as error:
        return Check("login", label, False, str(error))


def check_right(code, label, look, blocks=None):
    """Return the line of something that is read or written; a missing right blocks only what needs it.

    :param look: f() that makes a call and returns what it found, for people
    :param blocks: stream and write-back codes; ``code`` itself when nothing is said
    :raise ConnectorError: no answer, or the login is refused
    """
    try:
        return Check(code, label, True, look())
    except (MissingScopeError, DataError) as error:
        return Check(code, label, False, str(error), (code,) if blocks is None else blocks)
