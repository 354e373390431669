// The output frames of a filter that are kept for later requests.
#pragma once

#include "requests.h"

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

namespace animesr {

// Keeps every output that an open request may show, and the `capacity` most recent ones of the rest. The cache only
// saves time: an output that is not in it is computed again, to the same bytes. Calls must not overlap.
template <class Value> class OutputCache {
public:
    OutputCache(const Requests &requests, int capacity) : requests_(requests), capacity_(capacity) {}

    // Add the output of frame n, which frames n to `last` may show.
    void put(int n, int last, Value value) {
        std::erase_if(recent_, [n](const Entry &entry) { return entry.n == n; });
        recent_.push_front({n, last, std::move(value)});
        trim();
    }

    std::optional<Value> get(int n) {
        for (auto it = recent_.begin(); it != recent_.end(); ++it)
            if (it->n == n) {
                recent_.splice(recent_.begin(), recent_, it);
                return it->value;
            }
        return std::nullopt;
    }

    bool contains(int n) const {
        return std::any_of(recent_.begin(), recent_.end(), [n](const Entry &entry) { return entry.n == n; });
    }

    void clear() { recent_.clear(); }

    // Drop the outputs that are no longer kept. Call this after a request has been closed.
    void trim() {
        int kept = 0;
        std::erase_if(recent_, [&](const Entry &entry) {
            const bool requested = requests_.contains(entry.n, entry.last);
            return !requested && ++kept > capacity_;
        });
    }

private:
    struct Entry {
        int n, last;
        Value value;
    };

    const Requests &requests_;
    int capacity_;
    std::list<Entry> recent_; // most recent first
};

} // namespace animesr
