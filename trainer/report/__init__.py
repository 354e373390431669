"""The page at the end of a recipe: the user's own episodes before and after, the operators, and the training's curves.

scenes    what is shown of an episode, upscaled by the plugin, on the page of `animesr compare`
curves    charts of metrics.csv
page      all of it as one page; page/ has its HTML
"""
