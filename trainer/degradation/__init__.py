"""From HQ clips to LR clips: what a clip goes through, drawn at random within ranges, and the operators that do it."""
