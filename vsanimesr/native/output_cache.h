// The output frames of a filter that are kept for later requests.
#pragma once

#include "requests.h"

#include <list>
#include <optional>
#include <utility>

namespace animesr {

// Keeps every output frame with an open request, and the `capacity` most recent ones of the rest. The cache only saves
// time: a frame that is not in it is computed again, to the same bytes. Calls must not overlap.
template <class Value> class OutputCache {
public:
    OutputCache(const Requests &requests, int capacity) : requests_(requests), capacity_(capacity) {}

    // Return whether to keep the output of frame n, computed on the way to frame `target`.
    bool should_keep(int n, int target) const { return requests_.contains(n) || target - n < capacity_; }

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

    // Drop the frames that are no longer kept. Call this after a request has been closed.
    void trim() {
        int kept = 0;
        std::erase_if(recent_, [&](const auto &entry) {
            const bool requested = requests_.contains(entry.first);
            return !requested && ++kept > capacity_;
        });
    }

private:
    const Requests &requests_;
    int capacity_;
    std::list<std::pair<int, Value>> recent_; // most recent first
};

} // namespace animesr
