"""Degradation of HQ clips to LR clips: random parameters within ranges, and the operators that use them."""
