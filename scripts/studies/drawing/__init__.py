"""Renders clips of drawn art in the style of limited animation: `python -m scripts.studies.drawing`."""
