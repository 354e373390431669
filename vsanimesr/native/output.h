// The SR frame of a step.
#pragma once

#include "bridge_session.h"
#include "handles.h"

#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>

namespace animesr {

// The backend failed at a step. The recurrent state is lost.
struct StepFailure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Output {
public:
    // `frame` is the SR frame, or the target frame, of frame n, whose planes the step writes into `picture`.
    Output(BridgeSession &session, int n, Frame frame, const animesr_picture &picture, const VSVideoInfo &video)
        : session_(session), n_(n), frame_(std::move(frame)), picture_(picture), video_(video) {}

    // Set the ticket of the step, once it is submitted.
    void set_ticket(int64_t ticket) { ticket_ = ticket; }

    // Return the finished frame. The first caller waits for the step; every caller gets the same frame, or the same
    // error: StepFailure, or std::runtime_error if the frame holds NaN or infinity.
    const VSFrame *wait();

    // Wait for the step, if it was submitted. Throws StepFailure if the backend failed at it, and nothing else.
    void settle();

private:
    BridgeSession &session_;
    int n_;
    int64_t ticket_ = 0; // 0: not submitted
    Frame frame_;
    animesr_picture picture_;
    const VSVideoInfo &video_; // the filter's; the filter exists longer than its outputs
    std::mutex mutex_;
    bool finished_ = false;
    bool step_failed_ = false;
    std::string error_;
};

} // namespace animesr
