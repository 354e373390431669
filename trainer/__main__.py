"""Run the trainer's command line as `python -m trainer`."""

import sys

from vsanimesr.cli import program
from vsanimesr.installation import load_trainer

if __name__ == "__main__":
    # `load_trainer` says what to do if a package is missing, or if another package named trainer hides this one.
    sys.exit(program.exit_code(lambda: load_trainer()()))
