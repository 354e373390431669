"""Makes moving clips of the free art that Debian packages ship: `python -m scripts.studies.art`."""
