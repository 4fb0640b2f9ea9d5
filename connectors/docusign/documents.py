"""The signed document of an envelope: all of its documents and the certificate of completion in one PDF."""

import re
from urllib.parse import quote

from ..base import File
from ..errors import DataError, PoisonError

_UNFIT = re.compile(r"[^\w.-]+")


def signed_document(client, envelope_id, reference):
    """Return the :class:`~connectors.base.File`.

    :raise DataError: DocuSign does not have it (any more), or it is too large to keep
    :raise PoisonError: what came is not a PDF
    """
    try:
        response = client.get(f"/envelopes/{quote(envelope_id)}/documents/combined", {"certificate": "true"},
                              "application/pdf")
    except PoisonError as error:
        if error.code != "too_large":
            raise
        raise DataError(f"The signed document is too large: {error}", error.code) from error
    if not response.body.startswith(b"%PDF-"):
        raise PoisonError("The signed document is not a PDF", "not_pdf")
    return File(f"signed-{_UNFIT.sub('_', reference)}.pdf", "application/pdf", response.body)
