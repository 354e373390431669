// The recurrent filter: from RGBS to RGBS of four times the size.
#pragma once

#include "bridge_session.h"
#include "handles.h"

#include <memory>

namespace animesr {

constexpr int scale = 4;

// Create a node that upscales `rgb` with a session. Scene changes are read from the properties of `source`, the clip
// before its conversion to `rgb`, and held frames are compared there, so the search for them converts no frames. Throws
// std::runtime_error.
Node create_recurrence(Node rgb, Node source, std::unique_ptr<BridgeSession> session, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
