// A filter whose frames are those of its clip, one by one, changed or refused.
#pragma once

#include "handles.h"

#include <functional>

namespace animesr {

// Returns frame n in the form that leaves the filter: the frame itself, or a copy with other properties. It is called
// on several threads at once. Throws std::runtime_error to refuse the frame.
using EditFrame = std::function<Frame(int n, Frame frame)>;

// Create a node with the frames that `edit` returns. Throws std::runtime_error.
Node create_frame_filter(Node clip, EditFrame edit, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
