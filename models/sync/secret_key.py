"""Where the key of the stored credentials comes from. It is never in the database, so a dump alone opens nothing.

In this order: environment variable ``PSA_HUB_SECRET_KEY``; option ``psa_hub_secret_key`` of odoo.conf; the file
``psa_hub.key`` in the data folder, made at first use, readable by the server's account only. Several keys separated by
commas: the first one encrypts, all decrypt (rotation).
"""

import contextlib
import os
import tempfile

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from odoo.tools import config

ENVIRONMENT_VARIABLE = "PSA_HUB_SECRET_KEY"
OPTION = "psa_hub_secret_key"
FILE_NAME = "psa_hub.key"

__all__ = ["InvalidToken", "SecretKeyError", "encryption"]


class SecretKeyError(Exception):
    """The configured key cannot be used. The text says where it was found and never holds the key."""


def encryption():
    """Return the :class:`MultiFernet` of the configured keys.

    :raise SecretKeyError: a key is malformed, or the key file is readable by others
    """
    for source, text in (
        (f"the environment variable {ENVIRONMENT_VARIABLE}", os.environ.get(ENVIRONMENT_VARIABLE)),
        (f"the option {OPTION} of odoo.conf", config.get(OPTION)),
    ):
        if text:
            return _parse(text, source)
    path = os.path.join(config["data_dir"], FILE_NAME)
    return _parse(_read_or_make(path), f"the file {path}")


def _parse(text, source):
    try:
        return MultiFernet([Fernet(key.strip()) for key in text.split(",") if key.strip()])
    except ValueError:
        # the original error is dropped: it may quote the key
        raise SecretKeyError(
            f"The key in {source} is not a Fernet key. Make one with: "
            "python3 -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'") from None


def _read_or_make(path):
    """Return the text of the key file; make it when there is none, so that two servers starting at once agree."""
    with contextlib.suppress(FileNotFoundError):
        return _read(path)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=FILE_NAME)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(Fernet.generate_key().decode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # fails, instead of replacing, when another server was first
    finally:
        os.unlink(temporary)
    return _read(path)


def _read(path):
    with open(path) as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise SecretKeyError(f"The key file {path} can be read by other accounts. Set its mode to 0600.")
        return file.read()
