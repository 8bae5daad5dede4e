"""`python -m hedgerow`: the command line."""

import sys

from hedgerow.cli import main

sys.exit(main(sys.argv[1:]))
