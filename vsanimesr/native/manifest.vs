[VapourSynth Manifest V1]
libanimesr
