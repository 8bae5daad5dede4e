"""What a check of a Google Cloud project is given, beside the notebook `finding`."""

from __future__ import annotations

import pytest

from hedgerow.checking import Finder
from hedgerow.gcp_reading import Asker
from hedgerow.verify_plugin import RUN


@pytest.fixture
def gcp(request: pytest.FixtureRequest, finding: Finder) -> Asker:
    """The project, for looking only: `gcp.ask`, `gcp.every`; what is asked is written into the notebook."""
    run = request.config.stash[RUN]
    return Asker(run.host, finding, run.sheet)
