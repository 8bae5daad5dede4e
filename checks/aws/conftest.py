"""What a check of the cloud side is given, beside the notebook `finding`."""

from __future__ import annotations

import pytest

from hedgerow.aws_reading import Asker
from hedgerow.checking import Finder
from hedgerow.verify_plugin import RUN


@pytest.fixture
def aws(request: pytest.FixtureRequest, finding: Finder) -> Asker:
    """The account, for looking only: `aws.ask`, `aws.every`; what is asked is written into the notebook."""
    run = request.config.stash[RUN]
    return Asker(run.host, finding, run.sheet)
