"""Start Odoo. A file, and not `python -m odoo`, because Odoo starts its own helpers by the name of this script."""

import sys
from pathlib import Path

sys.path = [entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent]

import odoo.cli  # noqa: E402 - this folder's module names must not hide others

if __name__ == "__main__":
    odoo.cli.main()
