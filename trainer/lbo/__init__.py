"""Learnable basic operators: degradations learned from real LQ episodes.

Source: section 4.1 of the paper; docs/paper-and-release.md, 3.
"""
