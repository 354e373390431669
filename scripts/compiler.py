"""The C++ compiler for what studies and tests compile."""

from __future__ import annotations

import os
import shutil

COMPILER = os.environ.get("CXX") or next(filter(shutil.which, ("c++", "g++", "clang++")), "c++")
