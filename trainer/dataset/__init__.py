"""Builds a set of HQ clips out of videos, as the paper's AVC: `python -m trainer dataset`.

sources     videos that the user names, and what each says of itself
titles      of shows, by the names of videos and of their folders
fields      a quick look for frames whose two fields show different moments
shots       where shots start, by the plugin's detector and by the trainer's own
motion      how far pictures move, by optical flow where they change by more than noise
quality     how good a frame looks: hyperIQA, or a stand-in
measures    all that is measured of a video's frames, in one pass, kept in a file
repeats     frames that an earlier video has shown: openings, endings, recaps
candidates  which frames are usable, and the best clips of them
clips       writes clips as folders of PNG
folders     what in such a folder we wrote, and what is the user's
manifest    what a set says of itself
workers     the processes that measure and write
build       all steps, one after the other
check       compares a set with its manifest
split       holds clips out by title
clean       cleans HQ by a network
page        the page that shows a set; page/ has its HTML
"""
