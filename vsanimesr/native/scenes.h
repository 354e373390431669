// The filter that marks the first frames of scenes.
#pragma once

#include "handles.h"

namespace animesr {

// Create a node whose frames are those of `clip` with the property `_SceneChangePrev`: 1 where a scene starts, else 0.
// A frame that has the property keeps its value. The decision for frame n depends on frames n - 5 to n + 4 only
// (cuts.h); frame 0 starts a scene. The clip has a constant format: YUV, GRAY or RGB of 8 to 16 bits or float. Throws
// std::runtime_error.
Node create_scenes(Node clip, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
