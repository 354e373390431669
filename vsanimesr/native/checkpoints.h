// The recurrent states that are saved, so that a run can continue after another one, and a step back is short.
#pragma once

#include "timeline.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace animesr {

// The recurrent state after frame `frame` of a run.
struct Position {
    Run run;
    int frame;

    bool operator==(const Position &) const = default;
};

// Keeps at most `capacity` states, but always one. A state that open requests continue from is dropped last, and of
// those the one that costs the fewest steps to run again: so the request that is furthest goes on, and none starts anew
// for ever. Of the other states of the present run, those are kept that lie ever further apart, the further they are
// behind the present state: then steps back cost few steps each, wherever they end. Calls must not overlap.
class Checkpoints {
public:
    struct State {
        Position position;
        int64_t handle;
    };

    // For each state that open requests continue from, by its handle: the steps that it saves them.
    using Worth = std::map<int64_t, int>;

    explicit Checkpoints(int capacity) : capacity_(capacity) { states_.reserve(std::max(1, capacity) + 2); }

    int capacity() const { return capacity_; }
    bool is_overfull() const { return static_cast<int>(states_.size()) > std::max(1, capacity_); }
    const std::vector<State> &states() const { return states_; }

    bool contains(const Position &position) const {
        return std::any_of(states_.begin(), states_.end(), [&](const State &s) { return s.position == position; });
    }

    // Add a state. If there are too many then, the caller drops one. There is room for two more than are kept, so
    // adding cannot fail: a handle that is in no list could not be freed.
    void add(const State &state) { states_.push_back(state); }

    // Drop the state that is missed least. Return its handle.
    int64_t drop(const Position &present, const Worth &worth) {
        const auto victim = find_victim(present, worth);
        const int64_t handle = victim->handle;
        states_.erase(victim);
        return handle;
    }

    std::vector<int64_t> clear() {
        std::vector<int64_t> handles;
        for (const State &state : states_)
            handles.push_back(state.handle);
        states_.clear();
        return handles;
    }

private:
    using Iterator = std::vector<State>::iterator;

    // Return the state to drop. Among those that requests need: the one worth least, and of equal ones the latest.
    // Among the others: the oldest one of another run; else one ahead of the present state, which a step back has
    // passed; else the one whose neighbours are closest for their distance from the present state.
    Iterator find_victim(const Position &present, const Worth &worth) {
        std::vector<Iterator> behind;
        Iterator ahead = states_.end(), cheapest = states_.end();
        for (auto it = states_.begin(); it != states_.end(); ++it) {
            if (const auto needed = worth.find(it->handle); needed != worth.end()) {
                if (cheapest == states_.end() || needed->second <= worth.at(cheapest->handle))
                    cheapest = it;
            } else if (it->position.run != present.run)
                return it;
            else if (it->position.frame <= present.frame)
                behind.push_back(it);
            else if (ahead == states_.end() || it->position.frame > ahead->position.frame)
                ahead = it;
        }
        if (ahead != states_.end())
            return ahead;
        if (behind.size() < 2)
            return behind.empty() ? cheapest : behind.front();
        std::sort(behind.begin(), behind.end(),
                  [](Iterator a, Iterator b) { return a->position.frame < b->position.frame; });
        Iterator victim = behind.front();
        double lowest = 2;
        for (size_t i = 0; i + 1 < behind.size(); ++i) {
            const int before = i > 0 ? behind[i - 1]->position.frame : present.run.first - 1;
            const int after = behind[i + 1]->position.frame;
            const double gap = double(after - before) / (present.frame - before);
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
