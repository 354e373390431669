"""Build a set of HQ clips out of your own videos, as the paper's AVC.

The best clips are found by shots, motion and image quality, written as folders of PNG, and listed in a manifest and on
a page. The folder is data=... of a training. Needs the extra dataset.

Example:
  python -m trainer dataset build videos -o avc
"""

from __future__ import annotations

import argparse

from vsanimesr.cli import program

from . import dataset_build, dataset_check, dataset_clean, dataset_split
from .packages import require_packages

PARTS: program.Commands = {
    "build": dataset_build,
    "check": dataset_check,
    "split": dataset_split,
    "clean": dataset_clean,
}
PACKAGES = {"cv2": "opencv-python-headless"}
"""Packages of the extra, by their modules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the commands of all parts."""
    program.add_commands(parser, PARTS, "part")


def run(args: argparse.Namespace) -> int:
    """Build, check or split.

    Raises:
        MissingDependencyError: a package of the extra is not installed.
    """
    require_packages("dataset", PACKAGES)
    return PARTS[args.part].run(args)
