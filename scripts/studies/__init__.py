"""Experiments that take an hour or more. Their results are in docs/reports."""
