"""Wheels for five platforms from one Linux machine: compiled by zig, packed by setup.py, checked with lief."""
