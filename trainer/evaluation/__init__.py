"""Compares upscalers on clips: measures of each clip, their means, intervals and differences, and a page.

    upscaler    what maps LR frames to SR frames: bicubic, our networks; baselines are others
    models      the rows of the tables: upscalers, folders of results, HQ
    sets        the clips, with HQ that is degraded once, or without
    lr          their LR frames as files for other programs
    measures    the columns, and the measures of single frames; niqe, dists, maniqa: those that no package computes
    temporal    the measures of frames in order
    run         measures what has not been measured yet, and keeps it; times upscalers
    statistics  means over clips, intervals, paired differences
    tables      all of it in CSV and Markdown
    page        all of it in one file of HTML
    look        an episode without HQ: what changed, and crops to look at
    device      where upscalers and measures run

It needs packages of the extra `evaluate`, `look`, `upscaler` and `device` excepted.
"""
