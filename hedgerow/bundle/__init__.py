"""An evidence bundle: one archive of what an auditor needs, signed, and chained to the one before.

`contents` gathers, `sbom` lists what runs, `manifest` sums it up, `signing` signs it, `archive` packs it, and `sealing`
puts them together and takes them apart again.
"""

from __future__ import annotations

from hedgerow.errors import EXIT_CONTROL_FAILED, HedgerowError

MANIFEST = "MANIFEST"
SIGNATURE = "MANIFEST.sig"
NAMESPACE = "hedgerow-bundle"
"""What a signature is for (ssh-keygen(1), -n): one made for anything else proves nothing here."""

Files = dict[str, bytes]
"""Place in the bundle -> content."""


class BundleError(HedgerowError):
    """A bundle is not what was signed. Exit code 1."""

    exit_code = EXIT_CONTROL_FAILED
