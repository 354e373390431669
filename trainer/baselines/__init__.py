"""Networks of others that AnimeSR is compared with, written anew from their papers; none of them is trained here.

Real-ESRGAN's networks come with weights, out of a package. Those of BSRGAN and RealBasicVSR are read from a file.
"""
