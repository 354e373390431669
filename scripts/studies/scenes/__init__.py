"""Compares detectors of cuts: `python -m scripts.studies.scenes`."""
