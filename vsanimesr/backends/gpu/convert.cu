// Conversion of frames on the GPU: from the clip's own format to the R, G and B of the network, and back.
//
// NVRTC compiles this file for the GPU. The tests compile it for the host, with definitions of CUDA's keywords in
// front. So it includes nothing. `convert.py` has the same structures. The planes of a frame lie one behind the other,
// without padding.

#ifdef __CUDACC__
__device__ static float half_to_float(unsigned short bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}

__device__ static unsigned short float_to_half(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

enum Sample { SAMPLE_8 = 0, SAMPLE_16 = 1, SAMPLE_HALF = 2, SAMPLE_FLOAT = 3 };

// Weights of the source samples in each of `count` target samples, in an array of `tables`: `count` indices of first
// source samples, then `count` times `taps` weights.
struct Table {
    int start, count, taps;
};

struct Affine {
    float matrix[3][3];
    float offset[3];
};

struct LoadArguments {
    const void *source;
    float *target;
    const int *tables;
    unsigned long long planes[3]; // first sample of each plane in `source`
    int plane_count, sample;
    int width, height, chroma_width;
    Table across, down; // from the chroma planes to the size of the frame
    Affine decoding;
};

// Planes of the target that have the same size.
struct Layer {
    Table across, down; // from the SR frame to the size of the planes
    int first_plane, plane_count;
};

struct StoreArguments {
    const void *source;
    void *target;
    const int *tables;
    unsigned *flag;
    unsigned long long planes[3]; // first sample of each plane in `target`
    unsigned stamp;               // what the flag becomes if the SR frame holds NaN or infinity
    int source_sample, sample;
    int width, height; // of the SR frame
    int peak;          // largest integer
    int dither;
    Layer layers[2];
    Affine encoding;
};

__device__ static float read_sample(const void *data, int sample, unsigned long long index) {
    switch (sample) {
    case SAMPLE_8:
        return static_cast<const unsigned char *>(data)[index];
    case SAMPLE_16:
        return static_cast<const unsigned short *>(data)[index];
    case SAMPLE_HALF:
        return half_to_float(static_cast<const unsigned short *>(data)[index]);
    default:
        return static_cast<const float *>(data)[index];
    }
}

__device__ static float weight(const int *tables, const Table &table, int target, int tap) {
    return reinterpret_cast<const float *>(tables)[table.start + table.count + target * table.taps + tap];
}

__device__ static float apply(const Affine &map, int row, const float *values) {
    return map.offset[row] + map.matrix[row][0] * values[0] + map.matrix[row][1] * values[1] +
           map.matrix[row][2] * values[2];
}

extern "C" __global__ void load(LoadArguments a) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= a.width || y >= a.height)
        return;
    const unsigned long long pixel = static_cast<unsigned long long>(y) * a.width + x;
    float values[3] = {read_sample(a.source, a.sample, a.planes[0] + pixel), 0, 0};
    if (a.plane_count == 3) {
        const int left = a.tables[a.across.start + x], top = a.tables[a.down.start + y];
        for (int j = 0; j < a.down.taps; ++j) {
            const float row_weight = weight(a.tables, a.down, y, j);
            const unsigned long long row = static_cast<unsigned long long>(top + j) * a.chroma_width + left;
            for (int i = 0; i < a.across.taps; ++i) {
                const float w = row_weight * weight(a.tables, a.across, x, i);
                values[1] += w * read_sample(a.source, a.sample, a.planes[1] + row + i);
                values[2] += w * read_sample(a.source, a.sample, a.planes[2] + row + i);
            }
        }
    }
    for (int c = 0; c < 3; ++c)
        a.target[static_cast<unsigned long long>(c) * a.width * a.height + pixel] = apply(a.decoding, c, values);
}

// Return the threshold of a pixel, between 0 and 1, from a Bayer matrix of 16 x 16.
__device__ static float threshold(int x, int y) {
    int level = 0;
    for (int bit = 0; bit < 4; ++bit)
        level = level << 2 | ((x ^ y) >> bit & 1) << 1 | (y >> bit & 1);
    return (level + 0.5f) / 256;
}

__device__ static void write_sample(const StoreArguments &a, unsigned long long index, float value, int x, int y) {
    if (a.sample == SAMPLE_FLOAT)
        static_cast<float *>(a.target)[index] = value;
    else if (a.sample == SAMPLE_HALF)
        static_cast<unsigned short *>(a.target)[index] = float_to_half(value);
    else {
        value += a.dither ? threshold(x, y) : 0.5f;
        const int level = static_cast<int>(fminf(fmaxf(value, 0), a.peak)); // NaN becomes 0
        if (a.sample == SAMPLE_8)
            static_cast<unsigned char *>(a.target)[index] = static_cast<unsigned char>(level);
        else
            static_cast<unsigned short *>(a.target)[index] = static_cast<unsigned short>(level);
    }
}

// Add up the R, G and B of the SR frame in the window of a sample.
template <int sample>
__device__ static void add_window(const StoreArguments &a, const Layer &layer, int x, int y, float *rgb) {
    const int left = a.tables[layer.across.start + x], top = a.tables[layer.down.start + y];
    const unsigned long long plane = static_cast<unsigned long long>(a.width) * a.height;
    for (int j = 0; j < layer.down.taps; ++j) {
        const float row_weight = weight(a.tables, layer.down, y, j);
        const unsigned long long row = static_cast<unsigned long long>(top + j) * a.width + left;
        for (int i = 0; i < layer.across.taps; ++i) {
            const float w = row_weight * weight(a.tables, layer.across, x, i);
            for (int c = 0; c < 3; ++c)
                rgb[c] += w * read_sample(a.source, sample, c * plane + row + i);
        }
    }
}

// One thread for each sample of a layer. blockIdx.z is the number of the layer.
extern "C" __global__ void store(StoreArguments a) {
    const Layer &layer = a.layers[blockIdx.z];
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= layer.across.count || y >= layer.down.count)
        return;
    float rgb[3] = {0, 0, 0};
    if (a.source_sample == SAMPLE_HALF)
        add_window<SAMPLE_HALF>(a, layer, x, y, rgb);
    else
        add_window<SAMPLE_FLOAT>(a, layer, x, y, rgb);
    // NaN and infinity stay in a sum, also with a weight of 0. Every pixel is in a sum of the first layer.
    if (!(isfinite(rgb[0]) && isfinite(rgb[1]) && isfinite(rgb[2])))
        *a.flag = a.stamp;
    const unsigned long long index = static_cast<unsigned long long>(y) * layer.across.count + x;
    for (int p = layer.first_plane; p < layer.first_plane + layer.plane_count; ++p)
        write_sample(a, a.planes[p] + index, apply(a.encoding, p, rgb), x, y);
}
