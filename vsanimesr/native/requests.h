// The open requests of a filter.
#pragma once

#include <map>
#include <optional>

namespace animesr {

// Numbers of the output frames that VapourSynth has requested and not received yet. Calls must not overlap.
class Requests {
public:
    void open(int n) { ++counts_[n]; }

    void close(int n) {
        if (auto it = counts_.find(n); it != counts_.end() && --it->second == 0)
            counts_.erase(it);
    }

    bool contains(int n) const { return counts_.contains(n); }

    // Return the lowest requested frame after frame n.
    std::optional<int> first_after(int n) const {
        const auto it = counts_.upper_bound(n);
        return it == counts_.end() ? std::nullopt : std::optional(it->first);
    }

private:
    std::map<int, int> counts_; // frame number -> number of open requests
};

} // namespace animesr
