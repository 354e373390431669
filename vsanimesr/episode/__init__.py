"""Whole files: what a file says of itself, the encoding of chunks, and the finished file."""
