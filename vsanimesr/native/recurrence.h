// The recurrent filter: RGBS in, RGBS four times the size out.
#pragma once

#include "handles.h"
#include "session.h"

#include <vector>

namespace animesr {

constexpr int scale = 4;

// A node that upscales `rgb`. Scene cuts are read from the properties of `source`, the clip that `rgb` was made from, so
// that looking for the start of a scene converts nothing. Throws std::runtime_error.
Node create_recurrence(Node rgb, Node source, const std::vector<Argument> &arguments, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
