"""Clips of drawn art, in the manner of limited animation. See ../draw_clips.py."""
