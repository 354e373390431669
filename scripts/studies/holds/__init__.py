"""When is a frame held? Thresholds by clips with a known exposure sheet: `python -m scripts.studies.holds`."""
