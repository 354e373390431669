// The result that the user asks for: format, size and the kernel that scales to it.
#pragma once

#include "source.h"

#include <string>

namespace animesr {

struct Target {
    VSVideoFormat format;
    int width, height;
    std::string kernel; // as options.py lists them
    bool square;        // the pixels of the result are square

    // Return the target that is the SR frame of a clip as it is.
    static Target of_sr(const VSVideoInfo &video, VSCore *core, const VSAPI *vsapi);

    // Return a clip's video info with this format and size.
    VSVideoInfo video_info(VSVideoInfo video) const;

    // Return how the frames of the clip have to change for this.
    SourceEdits source_edits(const VSVideoInfo &video, const Properties &first) const;
};

// Read the arguments `format`, `width`, `height`, `kernel` and `square`. Throws std::runtime_error if they do not fit
// each other or the clip, whose first frame has the properties `first`.
Target read_target(const VSMap *in, const VSVideoInfo &video, const Properties &first, VSCore *core,
                   const VSAPI *vsapi);

} // namespace animesr
