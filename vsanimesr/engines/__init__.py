"""Engines by name. A module is imported when one of its engines is opened, never before."""
