// Finished frames, kept until they are asked for: every frame with an open request, and a few more.
#pragma once

#include "requests.h"

#include <list>
#include <optional>
#include <utility>

namespace animesr {

// A hit is only ever a speed-up: a frame that is not here is computed again, to the same bytes. Calls must not overlap.
template <class Value> class Outputs {
public:
    // `capacity`: how many frames are kept besides those with an open request.
    Outputs(const Requests &requests, int capacity) : requests_(requests), capacity_(capacity) {}

    // Is the output of frame n worth keeping, on a run that leads to `target`?
    bool wants(int n, int target) const { return requests_.contains(n) || target - n < capacity_; }

    void put(int n, Value value) {
        std::erase_if(recent_, [n](const auto &entry) { return entry.first == n; });
        recent_.emplace_front(n, std::move(value));
        trim();
    }

    std::optional<Value> get(int n) {
        for (auto it = recent_.begin(); it != recent_.end(); ++it)
            if (it->first == n) {
                recent_.splice(recent_.begin(), recent_, it);
                return it->second;
            }
        return std::nullopt;
    }

    void clear() { recent_.clear(); }

    // Call after a request has been closed.
    void trim() {
        int kept = 0;
        std::erase_if(recent_, [&](const auto &entry) { return !requests_.contains(entry.first) && ++kept > capacity_; });
    }

private:
    const Requests &requests_;
    int capacity_;
    std::list<std::pair<int, Value>> recent_; // most recent first
};

} // namespace animesr
