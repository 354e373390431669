"""Two defaults of the filter: steps of pre-roll, and the length and warm-up of segments."""
