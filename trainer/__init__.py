"""Trains AnimeSR: degradations, losses, stages, export. Needs `pip install "vapoursynth-animesr[train]"`."""
