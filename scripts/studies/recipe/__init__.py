"""Shows what `python -m trainer recipe` gains at its defaults: `python -m scripts.studies.recipe`."""
