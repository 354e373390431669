/* The C ABI between the plugin (C++) and `vsanimesr.bridge` (Python, ctypes): the only place where the two meet.

   The plugin imports `vsanimesr.bridge` and reads the address of one `animesr_bridge` from it. Every function of this
   table is a Python function behind a C pointer. It takes the GIL itself and lets no exception escape: on failure it
   writes a message into `error`. Pointers are valid only during the call, unless stated otherwise. Every change here
   raises ANIMESR_ABI. */
#ifndef ANIMESR_BRIDGE_H
#define ANIMESR_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#define ANIMESR_ABI 1

/* A buffer of the caller for text. */
typedef struct animesr_text {
    char text[4096]; /* UTF-8 with a terminating zero */
} animesr_text;

/* One argument as the user wrote it, as text: `device=1` is {"device", {"1"}, 1}. */
typedef struct animesr_argument {
    const char *name;
    const char *const *values;
    int32_t count;
} animesr_argument;

/* The settings of a session that the plugin needs. options.py describes each of them. */
typedef struct animesr_settings {
    int32_t preroll;
    int32_t warmup;
    int32_t preview;        /* 1: seek="preview" */
    int32_t use_props;      /* 1: scene_change="props"; 0: `anchors` */
    const int32_t *anchors; /* ascending; valid until the session is closed */
    int32_t anchor_count;
    int32_t depth; /* steps that may be unfinished at once: wait for step i before submitting step i + depth */
} animesr_settings;

/* Three planes of float32: R, G, B. */
typedef struct animesr_frame {
    int64_t number; /* in the clip; frames with equal numbers have equal pixels */
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

    /* Open a session for frames of width x height. Return its number (> 0), or 0 and `error`. `log` is used only until
       this function returns. */
    int64_t (*open)(const animesr_argument *arguments, int32_t count, int32_t width, int32_t height,
                    const animesr_log *log, animesr_settings *settings, animesr_text *error);

    /* Run one step on the window. With `reset`, set the recurrent state to zero first. Calls for one session must not
       overlap. Return a ticket (> 0), 0 if `output` is 0, or -1 and `error`. */
    int64_t (*submit)(int64_t session, const animesr_frame *prev, const animesr_frame *cur, const animesr_frame *next,
                      int32_t reset, int32_t output, animesr_text *error);

    /* Wait for a ticket and write its SR planes: once per ticket, on any thread. Return 0, or -1 and `error`. */
    int32_t (*wait)(int64_t session, int64_t ticket, const animesr_picture *out, animesr_text *error);

    void (*close)(int64_t session);

    /* Register `stop` to be called before the interpreter shuts down. The plugin calls no function of this table after
       `stop` has returned. */
    void (*at_exit)(void (*stop)(void));

    /* Write the version of the Python package and the names of the installed backends, one per line. Return 0, or -1
       and the error in `text`. */
    int32_t (*version)(animesr_text *text);
} animesr_bridge;

#endif
