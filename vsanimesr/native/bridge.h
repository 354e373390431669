/* The C ABI between the plugin (C++) and `vsanimesr.bridge` (Python, ctypes), the only place where the two meet.

   The plugin imports `vsanimesr.bridge` and reads the address of one `animesr_bridge` from it. Every function below is
   Python behind a C pointer: it takes the GIL by itself, lets no exception escape, and says what went wrong in `error`.
   Pointers are borrowed for the duration of the call unless said otherwise. A change here raises ANIMESR_ABI. */
#ifndef ANIMESR_BRIDGE_H
#define ANIMESR_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#define ANIMESR_ABI 1

typedef struct animesr_error {
    char text[4096]; /* UTF-8, ends with a zero */
} animesr_error;

/* One argument as the user gave it, as text: `device=1` is {"device", {"1"}, 1}. */
typedef struct animesr_argument {
    const char *name;
    const char *const *values;
    int32_t count;
} animesr_argument;

/* What the arguments come to; the meaning of each is in options.py. */
typedef struct animesr_settings {
    int32_t preroll;
    int32_t warmup;
    int32_t preview;        /* 1: seek="preview" */
    int32_t use_props;      /* 1: scene_change="props"; otherwise `anchors` */
    const int32_t *anchors; /* ascending; belongs to the session */
    int32_t anchor_count;
    int32_t depth; /* steps that may be unfinished at once: step i is waited for before step i + depth is submitted */
} animesr_settings;

/* Three planes of float32: R, G, B. */
typedef struct animesr_frame {
    int64_t number; /* in the clip; equal numbers are equal pixels */
    const float *planes[3];
    ptrdiff_t stride; /* bytes from one row to the next */
} animesr_frame;

typedef struct animesr_picture {
    float *planes[3];
    ptrdiff_t stride;
} animesr_picture;

enum { ANIMESR_LOG_INFORMATION = 1, ANIMESR_LOG_WARNING = 2 };

typedef struct animesr_log {
    void (*write)(void *data, int32_t level, const char *text);
    void *data;
} animesr_log;

typedef struct animesr_bridge {
    int32_t abi;

    /* Open a session for frames of width x height. Returns its number (> 0), or 0 and `error`. `log` may be used until
       open returns. */
    int64_t (*open)(const animesr_argument *arguments, int32_t count, int32_t width, int32_t height,
                    const animesr_log *log, animesr_settings *settings, animesr_error *error);

    /* Run one step on the window; `reset` sets the recurrent state to zero before it. Calls for one session come one at
       a time. Returns a ticket (> 0), which is 0 where no output was asked for, or -1 and `error`. */
    int64_t (*submit)(int64_t session, const animesr_frame *prev, const animesr_frame *cur, const animesr_frame *next,
                      int32_t reset, int32_t output, animesr_error *error);

    /* Wait for a ticket, once, on any thread, and write its SR planes. Returns 0, or -1 and `error`. */
    int32_t (*wait)(int64_t session, int64_t ticket, const animesr_picture *out, animesr_error *error);

    void (*close)(int64_t session);

    /* Have `stop` called before the interpreter shuts down; after it returns, no function of this table is called. */
    void (*at_exit)(void (*stop)(void));

    /* Version of the Python package and names of the engines that can be used here, one per line. */
    int32_t (*version)(animesr_error *text);
} animesr_bridge;

#endif
