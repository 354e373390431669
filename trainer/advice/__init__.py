"""Advice before long work starts: faults of sources, softness and amount of HQ, memory of a card."""
