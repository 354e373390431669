"""Shows that training works: `python -m scripts.studies.learning`."""
