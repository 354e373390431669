// The output frames that have been asked for and not delivered yet.
#pragma once

#include <map>
#include <optional>

namespace animesr {

class Requests {
public:
    void open(int n) { ++open_[n]; }

    void close(int n) {
        if (auto it = open_.find(n); --it->second == 0)
            open_.erase(it);
    }

    bool contains(int n) const { return open_.contains(n); }

    std::optional<int> first_after(int n) const {
        const auto it = open_.upper_bound(n);
        return it == open_.end() ? std::nullopt : std::optional(it->first);
    }

private:
    std::map<int, int> open_; // frame number -> how many requests
};

} // namespace animesr
