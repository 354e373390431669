// The recurrent filter: from RGBS to RGBS of four times the size, or from the clip to the result, if the backend
// converts.
#pragma once

#include "bridge_session.h"
#include "colours.h"
#include "handles.h"
#include "target.h"

#include <memory>

namespace animesr {

constexpr int scale = 4;

// Create a node that upscales `input` with a session: the clip in RGBS; or in its own format if the session takes it,
// and then the node has the frames of `target`. Scene changes are read from the properties of `source`, the clip before
// its conversion to RGBS, and held frames are compared there, so the search for them converts no frames. Throws
// std::runtime_error.
Node create_recurrence(Node input, Node source, std::unique_ptr<BridgeSession> session, const Colours &colours,
                       const Target &target, VSCore *core, const VSAPI *vsapi);

} // namespace animesr
