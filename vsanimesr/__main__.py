"""`python -m vsanimesr` is the command `animesr`."""

import sys

from .cli import main

sys.exit(main())
