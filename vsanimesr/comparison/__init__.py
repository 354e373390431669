"""The page of `animesr compare`: clips of one picture, side by side, under a slider, or in turn.

    clips       an input: opened, described, and converted to RGB
    views       the pictures that a frame is shown as
    choice      which frames are shown; integers only
    differences where clips differ: between frames, and within one
    metrics     PSNR and SSIM
    pictures    crops and lossless images, within a number of bytes
    report      all of it as one page; page/ has its HTML, CSS and JavaScript

It needs VapourSynth, and packages of the extra `compare` where it uses them.
"""
