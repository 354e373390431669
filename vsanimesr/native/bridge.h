/* The C ABI between the plugin (C++) and `vsanimesr.bridge` (Python, ctypes): the only place where the two meet.

   The plugin imports `vsanimesr.bridge` and reads the address of one `animesr_bridge` from it. Every function of this
   table is a Python function behind a C pointer. It takes the GIL itself and lets no exception escape: on failure it
   writes a message into `error`. Pointers are valid only during the call, unless stated otherwise. Every change here
   raises ANIMESR_ABI. */
#ifndef ANIMESR_BRIDGE_H
#define ANIMESR_BRIDGE_H

#include <stddef.h>
#include <stdint.h>

#define ANIMESR_ABI 3

/* A buffer of the caller for text. */
typedef struct animesr_text {
    char text[4096];     /* UTF-8 with a terminating zero */
    int32_t interrupted; /* 1: the failure is Ctrl-C, to be raised again in Python's main thread */
} animesr_text;

/* One argument as the user wrote it, as text: `device=1` is {"device", {"1"}, 1}. */
typedef struct animesr_argument {
    const char *name;
    const char *const *values;
    int32_t count;
} animesr_argument;

enum { ANIMESR_GRAY = 0, ANIMESR_RGB = 1, ANIMESR_YUV = 2 };

/* What the samples of a frame mean, in the numbers of VapourSynth's frame properties. */
typedef struct animesr_colours {
    int32_t matrix;
    int32_t full_range; /* of no meaning for floats */
    int32_t chroma_location;
} animesr_colours;

/* Format and size of frames. */
typedef struct animesr_video {
    int32_t family; /* ANIMESR_GRAY, ANIMESR_RGB or ANIMESR_YUV */
    int32_t is_float;
    int32_t bits;           /* of a sample: 8 to 16, or of a float 16 or 32 */
    int32_t subsampling[2]; /* binary logarithms of the factors by which chroma planes are narrower and lower */
    int32_t width, height;
} animesr_video;

/* Where the anchors are: in a list, in a frame property, or in that property where a frame has it and else detected. */
enum { ANIMESR_ANCHORS_LIST = 0, ANIMESR_ANCHORS_PROPERTY = 1, ANIMESR_ANCHORS_DETECT = 2 };

/* The settings of a session that the plugin needs. options.py describes the arguments among them. Pointers are valid
   until the session is closed. */
typedef struct animesr_settings {
    int32_t preroll;
    int32_t preview; /* frames to run before a distant one with seek="preview"; -1: exact */
    int32_t segment; /* the most frames that a run shows; 0: no limit */
    int32_t warmup;  /* frames before a segment */
    int32_t skip_held;
    int32_t anchor_source;       /* ANIMESR_ANCHORS_* */
    const char *anchor_property; /* UTF-8 */
    const int32_t *anchors;      /* ascending */
    int32_t anchor_count;
    int32_t depth;       /* steps that may be unfinished at once: wait for step i before submitting step i + depth */
    int64_t state_bytes; /* of a saved state */
    int64_t cache_bytes; /* for SR frames and saved states; -1: decided by the plugin */
    const char *model, *backend, *precision; /* UTF-8: what makes the frames, for their properties */
    int32_t own_formats; /* 1: `submit` takes frames of the clip and `wait` gives target frames; 0: all are in RGBS */
} animesr_settings;

/* A source frame: planes of float32, R, G and B; or with `own_formats` the planes of the clip, and their colours. */
typedef struct animesr_frame {
    int64_t number; /* in the clip; frames with equal numbers have equal pixels */
    const void *planes[3];
    ptrdiff_t strides[3]; /* bytes from one row to the next */
    animesr_colours colours;
} animesr_frame;

/* An SR frame: planes of float32, R, G and B; or with `own_formats` the planes of a target frame. */
typedef struct animesr_picture {
    void *planes[3];
    ptrdiff_t strides[3];
} animesr_picture;

enum { ANIMESR_NOT_FINITE = -2 };

enum { ANIMESR_LOG_INFORMATION = 1, ANIMESR_LOG_WARNING = 2 };

typedef struct animesr_log {
    void (*write)(void *data, int32_t level, const char *text);
    void *data;
} animesr_log;

typedef struct animesr_bridge {
    int32_t abi;

    /* Open a session for a clip of `frames` frames, of which target frames are to be made with these colours. Return
       its number (> 0), or 0 and `error`. `log` is used only until this function returns. */
    int64_t (*open)(const animesr_argument *arguments, int32_t count, const animesr_video *clip, int32_t frames,
                    const animesr_video *target, const animesr_colours *colours, const animesr_log *log,
                    animesr_settings *settings, animesr_text *error);

    /* Run one step on the window. With `reset`, set the recurrent state to zero first. Calls for one session must not
       overlap. Return a ticket (> 0), 0 if `output` is 0, or -1 and `error`. */
    int64_t (*submit)(int64_t session, const animesr_frame *prev, const animesr_frame *cur, const animesr_frame *next,
                      int32_t reset, int32_t output, animesr_text *error);

    /* Wait for a ticket and write its planes: once per ticket, on any thread. Return 0; or -1 and `error` if the step
       failed; or ANIMESR_NOT_FINITE if the step has run, but its SR frame holds NaN or infinity. Nobody looks for them
       in a frame in RGBS. */
    int32_t (*wait)(int64_t session, int64_t ticket, const animesr_picture *out, animesr_text *error);

    /* Save the state after the last step. Return a handle (> 0) of it, or -1 and `error`. Like `submit`, calls must not
       overlap with others for the session, but for `wait`. */
    int64_t (*save)(int64_t session, animesr_text *error);

    /* Set the state to a saved one, which stays saved. Return 0, or -1 and `error`. */
    int32_t (*restore)(int64_t session, int64_t state, animesr_text *error);

    /* Free a saved state. */
    void (*drop)(int64_t session, int64_t state);

    void (*close)(int64_t session);

    /* Register `stop` to be called before the interpreter shuts down. The plugin calls no function of this table after
       `stop` has returned. */
    void (*at_exit)(void (*stop)(void));

    /* Write the version of the Python package and the names of the installed backends, one per line. Return 0, or -1
       and the error in `text`. */
    int32_t (*version)(animesr_text *text);
} animesr_bridge;

#endif
