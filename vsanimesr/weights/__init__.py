"""Weights: finds, fetches, verifies and reads them, without torch."""
