"""Clips of frames: reading, caching, augmentation."""
