"""Compares upscalers on clips: measures of each clip, their means, intervals and differences, and a page.

upscaler  what is compared: anything that maps LR frames to SR frames
"""
