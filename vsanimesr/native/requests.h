// The open requests of a filter.
#pragma once

#include <map>
#include <vector>

namespace animesr {

// Numbers of the output frames that VapourSynth has requested and not received yet. Calls must not overlap.
class Requests {
public:
    void open(int n) { ++counts_[n]; }

    void close(int n) {
        if (auto it = counts_.find(n); it != counts_.end() && --it->second == 0)
            counts_.erase(it);
    }

    // Return whether one of the frames `first` to `last` is requested.
    bool contains(int first, int last) const {
        const auto it = counts_.lower_bound(first);
        return it != counts_.end() && it->first <= last;
    }

    std::vector<int> frames() const {
        std::vector<int> frames;
        for (const auto &[n, count] : counts_)
            frames.push_back(n);
        return frames;
    }

private:
    std::map<int, int> counts_; // frame number -> number of open requests
};

} // namespace animesr
