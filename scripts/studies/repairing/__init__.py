"""Compares learned operators with basic ones: `python -m scripts.studies.repairing`."""
