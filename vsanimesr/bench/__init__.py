"""`animesr bench`: frames per second of the whole filter on this machine, within a given time.

`worker` measures, in one process for each backend; `plan` decides what is measured in the time, and scales the rest;
`report` prints and exports it.
"""
