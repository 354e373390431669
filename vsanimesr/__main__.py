"""Run the command `animesr` as `python -m vsanimesr`."""

import sys

from .cli import main

sys.exit(main())
