// The recurrent filter: from RGBS to RGBS of four times the size.
#pragma once

#include "bridge_session.h"
#include "handles.h"

#include <vector>

namespace animesr {

constexpr int scale = 4;

// Create a node that upscales `rgb`. Scene changes are read from the properties of `source`, the clip before its
// conversion to `rgb`, so the search for an anchor converts no frames. Throws std::runtime_error.
Node create_recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
