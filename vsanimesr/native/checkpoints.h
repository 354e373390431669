// The recurrent states that are saved, so that a run can continue after another one, and a step back is short.
#pragma once

#include "timeline.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace animesr {

// The recurrent state after frame `frame` of a run.
struct Position {
    Run run;
    int frame;

    bool operator==(const Position &) const = default;
};

// Keeps at most `capacity` states, but always one. A parked state is one that an open request needs
// to go on; it stays until it is loaded, or no request is open. Of the other states of the latest run, those are kept
// that lie ever further apart, the further they are behind the latest one: then steps back cost few steps each,
// wherever they end. Calls must not overlap.
class Checkpoints {
public:
    struct State {
        Position position;
        int64_t handle;
        bool parked;
    };

    explicit Checkpoints(int capacity) : capacity_(capacity) {}

    int capacity() const { return capacity_; }
    const std::vector<State> &states() const { return states_; }

    bool contains(const Position &position) const {
        return std::any_of(states_.begin(), states_.end(), [&](const State &s) { return s.position == position; });
    }

    // Add a state. Return the handles of states that are not kept any more.
    std::vector<int64_t> add(const State &state) {
        states_.push_back(state);
        std::vector<int64_t> dropped;
        while (static_cast<int>(states_.size()) > std::max(1, capacity_)) {
            const auto victim = find_victim();
            dropped.push_back(victim->handle);
            states_.erase(victim);
        }
        return dropped;
    }

    // A parked state has been loaded: it counts as any other.
    void release(int64_t handle) {
        for (State &state : states_)
            state.parked = state.parked && state.handle != handle;
    }

    // No request is open: no state is needed by one.
    void release_all() {
        for (State &state : states_)
            state.parked = false;
    }

    std::vector<int64_t> clear() {
        std::vector<int64_t> handles;
        for (const State &state : std::exchange(states_, {}))
            handles.push_back(state.handle);
        return handles;
    }

private:
    using Iterator = std::vector<State>::iterator;

    // Return the state to drop: the oldest one of another run than the latest state's; else one ahead of the latest
    // state, which a step back has passed; else the one whose neighbours are closest for their distance from it.
    Iterator find_victim() {
        const Position latest = states_.back().position;
        std::vector<Iterator> behind;
        Iterator ahead = states_.end();
        for (auto it = states_.begin(); it != states_.end(); ++it) {
            if (it->parked)
                continue;
            if (it->position.run != latest.run)
                return it;
            if (it->position.frame <= latest.frame)
                behind.push_back(it);
            else if (ahead == states_.end() || it->position.frame > ahead->position.frame)
                ahead = it;
        }
        if (ahead != states_.end())
            return ahead;
        if (behind.size() < 2) // the others are parked
            return behind.empty() ? states_.begin() : behind.front();
        std::sort(behind.begin(), behind.end(),
                  [](Iterator a, Iterator b) { return a->position.frame < b->position.frame; });
        Iterator victim = behind.front();
        double lowest = 2;
        for (size_t i = 0; i + 1 < behind.size(); ++i) {
            const int before = i > 0 ? behind[i - 1]->position.frame : latest.run.first - 1;
            const int after = behind[i + 1]->position.frame;
            const double gap = double(after - before) / (latest.frame - before);
            if (gap < lowest) {
                lowest = gap;
                victim = behind[i];
            }
        }
        return victim;
    }

    int capacity_;
    std::vector<State> states_; // in the order in which they were added
};

} // namespace animesr
