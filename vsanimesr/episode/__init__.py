"""Whole video files: from a file, or a script, to a file with the audio, subtitles and chapters of the source.

The work is cut into chunks. A folder beside the result holds what is finished, so a run that was stopped goes on there.
"""
