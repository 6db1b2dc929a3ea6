// A run of consecutive Kronecker-sparse factors in one pass over the argument.
//
// Where all factors of a run have patterns (a_l, b_l, c_l, d_l) with A | a_l and D | d_l, the run falls
// apart into A D runs that share nothing: slice (i, j) has the rows (i n + r) D + j, r < n, of every
// vector between two factors, and of each factor the part with pattern (a_l / A, b_l, c_l, d_l / D).
// A block of threads takes one i, some neighbouring j and some neighbouring columns, keeps the rows of
// that tile in shared memory, and applies all factors of the run there. Weights are read in place, by
// strides, so that a transpose swaps two of them. `lazyop.kernels.cuda_plan` chooses runs and tiles, and
// `lazyop.kernels.cuda_launch` fills in `Pass`.
//
// The file has no includes: it is compiled by NVRTC, by nvcc, and as C++ for a CPU in the tests.

enum { MOST_FACTORS = 24 };

// What the numbers below 100 mean is said in cuda_launch.py.
enum { STAGE_IN = 1, STAGE_OUT = 2, ROWS_FIRST_IN = 4, ROWS_FIRST_OUT = 8, PACKS_IN = 16, PACKS_OUT = 32 };

enum { GENERAL = 0, RISING = 1, FALLING = 2 };

struct Factor {
    const void* weights;
    int outer, inner;     // strides of the values, in entries: from block row to block row (a), and
                          // from one interleaved block to the next (d);
    int row, column;      // within a block, from output to output and from input to input
    int a, b, c, d;       // of the slice
    int conjugated, packs;
    // Of weights that are codes of a few bits; see `coded`.
    const void* norms;
    double scale;
    int kind, width, norm_width, below, part;
    unsigned infinite, undefined, unused;
};

enum { FLOATS = 0, DIRECTIONS = 1, ROWS = 2 };

// Which weights of a block can be read several at a time: none, of one output, or of one input.
enum { APART = 0, ALONG_ROWS = 1, ALONG_COLUMNS = 2 };

// One factor, or up to three of 2 x 2 blocks whose strides double, that one thread applies to 8 rows.
struct Stage {
    int kind, first, count, rows;
};

struct Pass {
    const void* x;
    void* y;
    long long x_row, x_column, y_row, y_column;  // strides in entries
    int a, d;                                    // slices: A and D above
    int rows_in, rows_out;                       // of a slice
    int columns;
    int tile_j, tile_c;        // neighbouring j and columns of a tile
    int tiles_j, tiles_c;      // how many tiles there are of each
    int pitch, skew, buffer;   // of shared memory: see `place`
    int stages, flags;
    Stage stage[MOST_FACTORS];
    Factor factor[MOST_FACTORS];
};

// Numbers --------------------------------------------------------------------------------------------

struct half_number { unsigned short bits; };
struct bfloat_number { unsigned short bits; };
template <class T> struct alignas(2 * sizeof(T)) complex_number { T re, im; };

#ifdef __CUDACC__
__device__ inline float half_to_float(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}
__device__ inline unsigned short float_to_half(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
__device__ inline float bits_to_float(unsigned bits) { return __uint_as_float(bits); }
__device__ inline unsigned float_to_bits(float x) { return __float_as_uint(x); }
#endif

// Arithmetic is done in single precision or better.
template <class T> struct Wide { typedef T type; };
template <> struct Wide<half_number> { typedef float type; };
template <> struct Wide<bfloat_number> { typedef float type; };

__device__ inline float wide(half_number x) { return half_to_float(x.bits); }
__device__ inline float wide(bfloat_number x) { return bits_to_float((unsigned)x.bits << 16); }
__device__ inline float wide(float x) { return x; }
__device__ inline double wide(double x) { return x; }
template <class T> __device__ inline complex_number<T> wide(complex_number<T> x) { return x; }

__device__ inline void narrow(float x, half_number& y) { y.bits = float_to_half(x); }
__device__ inline void narrow(float x, bfloat_number& y) {
    unsigned bits = float_to_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) bits |= 0x00400000u;  // a NaN stays one
    else bits += 0x7fffu + (bits >> 16 & 1u);                     // to nearest, ties to even
    y.bits = (unsigned short)(bits >> 16);
}
template <class T> __device__ inline void narrow(T x, T& y) { y = x; }

template <class T> __device__ inline T conjugate(T x) { return x; }
template <class T> __device__ inline complex_number<T> conjugate(complex_number<T> x) {
    x.im = -x.im;
    return x;
}

// Weights that are read from codes, as numbers of type T.
template <class T> struct coded { typedef T type; };
template <class T> struct Wide<coded<T>> { typedef T type; };

template <class T> struct Zero { __device__ static T value() { return T(0); } };
template <class T> struct Zero<complex_number<T>> {
    __device__ static complex_number<T> value() { return {T(0), T(0)}; }
};

// sum + w x, for real and complex w and x; a real w may be narrower.
__device__ inline float added(float sum, float w, float x) { return sum + w * x; }
__device__ inline double added(double sum, double w, double x) { return sum + w * x; }
template <class S, class T>
__device__ inline complex_number<T> added(complex_number<T> sum, S w, complex_number<T> x) {
    sum.re += T(w) * x.re;
    sum.im += T(w) * x.im;
    return sum;
}
template <class S, class T>
__device__ inline complex_number<T> added(
    complex_number<T> sum, complex_number<S> w, complex_number<T> x) {
    sum.re += T(w.re) * x.re;
    sum.re -= T(w.im) * x.im;
    sum.im += T(w.re) * x.im;
    sum.im += T(w.im) * x.re;
    return sum;
}

// Lanes: V neighbouring columns of one row, which one thread handles ------------------------------------

template <class T, int V> struct alignas(sizeof(T) * V) Pack { T lane[V]; };

template <class X, int V> struct alignas(sizeof(typename Wide<X>::type) * V) Lanes {
    typedef typename Wide<X>::type C;
    C lane[V];

    // `at` is the first lane; of what is not there, lanes from `present` on, zeros are read.
    __device__ void load(const X* at, long long step, int present, bool packs) {
        if (packs && present >= V) {
            const Pack<X, V> pack = *reinterpret_cast<const Pack<X, V>*>(at);
#pragma unroll
            for (int v = 0; v < V; ++v) lane[v] = wide(pack.lane[v]);
        } else {
#pragma unroll
            for (int v = 0; v < V; ++v) lane[v] = v < present ? C(wide(at[v * step])) : Zero<C>::value();
        }
    }
    __device__ void store(X* at, long long step, int present, bool packs) const {
        if (packs && present >= V) {
            Pack<X, V> pack;
#pragma unroll
            for (int v = 0; v < V; ++v) narrow(lane[v], pack.lane[v]);
            *reinterpret_cast<Pack<X, V>*>(at) = pack;
        } else {
#pragma unroll
            for (int v = 0; v < V; ++v)
                if (v < present) narrow(lane[v], at[v * step]);
        }
    }
    __device__ void load(const C* at) { *this = *reinterpret_cast<const Lanes*>(at); }
    __device__ void store(C* at) const { *reinterpret_cast<Lanes*>(at) = *this; }
    __device__ void clear() {
#pragma unroll
        for (int v = 0; v < V; ++v) lane[v] = Zero<C>::value();
    }
    template <class S> __device__ void add(S w, const Lanes& x) {
#pragma unroll
        for (int v = 0; v < V; ++v) lane[v] = added(lane[v], w, x.lane[v]);
    }
};

// The tile of a block of threads -------------------------------------------------------------------------

struct Tile {
    int i, j, column;  // its slice, the first of its j, and its first column

    __device__ explicit Tile(const Pass& p) {
        unsigned rest = blockIdx.x;
        column = int(rest % p.tiles_c) * p.tile_c;
        rest /= p.tiles_c;
        j = int(rest % p.tiles_j) * p.tile_j;
        i = int(rest / p.tiles_j);
    }
};

// Where a thread is within the tile: its j, its first column, and how many from there on there are.
struct Place {
    int j, column, present;

    __device__ Place(const Pass& p, const Tile& tile, int lane)
        : j(tile.j + lane / p.tile_c), column(tile.column + lane % p.tile_c),
          present(j < p.d ? p.columns - column : 0) {}
};

// Where a row begins in shared memory. Every few rows, room for one is left, so that threads that read
// every few rows meet different banks.
__device__ inline int place(const Pass& p, int row) { return (row + (row >> p.skew)) * p.pitch; }

__device__ inline long long row_of(const Pass& p, const Tile& tile, int rows, int row, int j) {
    return ((long long)tile.i * rows + row) * p.d + j;
}

// Where a thread's lanes of a row are in memory, and how far it is from a row to the next one.
template <class X>
__device__ inline const X* source(const Pass& p, const Tile& tile, const Place& at, int row) {
    return static_cast<const X*>(p.x) + row_of(p, tile, p.rows_in, row, at.j) * p.x_row
        + at.column * p.x_column;
}

template <class X>
__device__ inline X* target(const Pass& p, const Tile& tile, const Place& at, int row) {
    return static_cast<X*>(p.y) + row_of(p, tile, p.rows_out, row, at.j) * p.y_row
        + at.column * p.y_column;
}

// Copy between memory and the tile. Neighbouring threads take neighbouring columns, or neighbouring rows
// where those are what lies side by side.
template <class X, int V>
__device__ void copy_in(const Pass& p, const Tile& tile, typename Wide<X>::type* to) {
    const int across = p.tile_j * p.tile_c;
    if (p.flags & ROWS_FIRST_IN) {
        for (int item = threadIdx.x; item < p.rows_in * across; item += blockDim.x) {
            const int column = item / (p.tile_j * p.rows_in), rest = item % (p.tile_j * p.rows_in);
            const int row = rest / p.tile_j, lane = rest % p.tile_j * p.tile_c + column;
            const Place at(p, tile, lane);
            if (at.present > 0) to[place(p, row) + lane] = wide(*source<X>(p, tile, at, row));
        }
    } else {
        for (int item = threadIdx.x; item < p.rows_in * (across / V); item += blockDim.x) {
            const int row = item / (across / V), lane = item % (across / V) * V;
            const Place at(p, tile, lane);
            if (at.present <= 0) continue;
            Lanes<X, V> x;
            x.load(source<X>(p, tile, at, row), p.x_column, at.present, p.flags & PACKS_IN);
            x.store(to + place(p, row) + lane);
        }
    }
}

template <class X, int V>
__device__ void copy_out(const Pass& p, const Tile& tile, const typename Wide<X>::type* from) {
    const int across = p.tile_j * p.tile_c;
    if (p.flags & ROWS_FIRST_OUT) {
        for (int item = threadIdx.x; item < p.rows_out * across; item += blockDim.x) {
            const int column = item / (p.tile_j * p.rows_out), rest = item % (p.tile_j * p.rows_out);
            const int row = rest / p.tile_j, lane = rest % p.tile_j * p.tile_c + column;
            const Place at(p, tile, lane);
            if (at.present > 0) narrow(from[place(p, row) + lane], *target<X>(p, tile, at, row));
        }
    } else {
        for (int item = threadIdx.x; item < p.rows_out * (across / V); item += blockDim.x) {
            const int row = item / (across / V), lane = item % (across / V) * V;
            const Place at(p, tile, lane);
            if (at.present <= 0) continue;
            Lanes<X, V> y;
            y.load(from + place(p, row) + lane);
            y.store(target<X>(p, tile, at, row), p.y_column, at.present, p.flags & PACKS_OUT);
        }
    }
}

// Weights --------------------------------------------------------------------------------------------

// Reads the weights of a factor from some entry on.
template <class W> struct Reader {
    typedef typename Wide<W>::type C;
    enum { COUNT = sizeof(W) > 8 ? 1 : sizeof(W) > 2 ? 2 : 4 };  // what lies side by side, at a time
    enum { BLOCKS = 0 };  // for how many on a multiprocessor registers are saved; 0 is for the compiler
    const W* at;

    __device__ Reader(const Factor& f, int index) : at(static_cast<const W*>(f.weights) + index) {}
    __device__ void move(int step) { at += step; }
    __device__ C get(const Factor& f, int offset) const {
        const C w = wide(at[offset]);
        return f.conjugated ? conjugate(w) : w;
    }
    __device__ void get_several(const Factor& f, int offset, C* w) const {
        const Pack<W, COUNT> pack = *reinterpret_cast<const Pack<W, COUNT>*>(at + offset);
#pragma unroll
        for (int n = 0; n < COUNT; ++n) w[n] = f.conjugated ? conjugate(C(wide(pack.lane[n]))) : wide(pack.lane[n]);
    }
};

// Code number `index` of a stream, as in lazyop.quantization.bits.
__device__ inline unsigned code_at(const void* stream, int width, unsigned index) {
    const unsigned* words = static_cast<const unsigned*>(stream);
    const unsigned start = index * width, at = start >> 5, shift = start & 31;
    unsigned code = words[at] >> shift;
    if (shift + width > 32) code |= words[at + 1] << (32 - shift);
    return width < 32 ? code & ((1u << width) - 1) : code;
}

// A floating-point number: sign, exponent and `below` bits of the significand, read as one of single
// precision, whose bias the scale replaces.
template <class T> __device__ inline T float_of(const Factor& f, unsigned code, int width) {
    const unsigned size = code & ((1u << (width - 1)) - 1);
    T number = T(bits_to_float(size << (23 - f.below))) * T(f.scale);
    if (size == f.infinite) number = T(bits_to_float(0x7f800000u));
    if (size >= f.undefined) number = T(bits_to_float(0x7fc00000u));
    return code >> (width - 1) ? -number : number;
}
template <class T> __device__ inline T float_at(const Factor& f, unsigned index) {
    return float_of<T>(f, code_at(f.weights, f.width, index), f.width);
}

// One of the two entries of a column or row whose absolute values have the sum 1: code index / 2 counts
// the steps to the second one, entry index % 2 is asked for.
template <class T> __device__ inline T direction_at(const Factor& f, unsigned index) {
    const T step = T(bits_to_float(unsigned(128 - f.width) << 23));  // 2^(1 - width)
    const T along = T(int(code_at(f.weights, f.width, index >> 1)) - (1 << (f.width - 1))) * step;
    if (index & 1) return along;
    return along < 0 ? T(1) + along : T(1) - along;
}

// An entry of a row that is a direction times a floating-point number.
template <class T> __device__ inline T row_entry_at(const Factor& f, unsigned index) {
    const unsigned norm = code_at(f.norms, f.norm_width, index >> 1);
    return float_of<T>(f, norm, f.norm_width) * direction_at<T>(f, index);
}

template <class T> __device__ inline void decode(const Factor& f, unsigned index, T& number) {
    if (f.kind == FLOATS) number = float_at<T>(f, index);
    else number = f.kind == DIRECTIONS ? direction_at<T>(f, index) : row_entry_at<T>(f, index);
}
template <class T>
__device__ inline void decode(const Factor& f, unsigned index, complex_number<T>& number) {
    number.re = float_at<T>(f, index);
    number.im = float_at<T>(f, index + f.part);
}

template <class T> struct Reader<coded<T>> {
    typedef T C;
    enum { COUNT = 1, BLOCKS = 1 };
    int at;

    __device__ Reader(const Factor& f, int index) : at(index) {}
    __device__ void move(int step) { at += step; }
    __device__ C get(const Factor& f, int offset) const {
        C w;
        decode(f, unsigned(at + offset), w);
        return f.conjugated ? conjugate(w) : w;
    }
    __device__ void get_several(const Factor& f, int offset, C* w) const { w[0] = get(f, offset); }
};

// The weights of one block of a factor, of its slice's block row i and interleaved block j.
template <class W>
__device__ inline Reader<W> block_of(
    const Pass& p, const Tile& tile, const Factor& f, int i, int j, int place_j) {
    return Reader<W>(f, (tile.i * f.a + i) * f.outer + (j * p.d + place_j) * f.inner);
}

// Factors --------------------------------------------------------------------------------------------

// B rows of a block's result: sum[r] = sum_l w[r, l] x[l], for the rows x of the tile from `row` on.
template <class W, class X, int V, int B>
__device__ inline void multiply(
    const Pass& p, const Factor& f, Reader<W> w, const typename Wide<X>::type* from, int row, int rows,
    Lanes<X, V>* sum) {
    const int COUNT = Reader<W>::COUNT;
    typename Wide<W>::type several[COUNT];
#pragma unroll
    for (int r = 0; r < B; ++r) sum[r].clear();
    int l = 0;
    if (COUNT > 1 && f.packs == ALONG_ROWS) {
        for (; l < f.c; l += COUNT, w.move(COUNT)) {
            Lanes<X, V> x[COUNT];
#pragma unroll
            for (int n = 0; n < COUNT; ++n, row += f.d) x[n].load(from + place(p, row));
#pragma unroll
            for (int r = 0; r < B; ++r) {
                w.get_several(f, min(r, rows - 1) * f.row, several);
#pragma unroll
                for (int n = 0; n < COUNT; ++n) sum[r].add(several[n], x[n]);
            }
        }
    } else if (COUNT > 1 && f.packs == ALONG_COLUMNS && B % COUNT == 0 && rows >= B) {
        for (; l < f.c; ++l, row += f.d, w.move(f.column)) {
            Lanes<X, V> x;
            x.load(from + place(p, row));
#pragma unroll
            for (int r = 0; r < B; ++r) {
                if (r % COUNT == 0) w.get_several(f, r, several);
                sum[r].add(several[r % COUNT], x);
            }
        }
    } else {
        int offset[B];
#pragma unroll
        for (int r = 0; r < B; ++r) offset[r] = min(r, rows - 1) * f.row;
#pragma unroll (sizeof(W) > 4 ? 1 : 2)
        for (; l < f.c; ++l, row += f.d, w.move(f.column)) {
            Lanes<X, V> x;
            x.load(from + place(p, row));
#pragma unroll
            for (int r = 0; r < B; ++r) sum[r].add(w.get(f, offset[r]), x);
        }
    }
}

// One factor: each thread has B rows of a block of the result at a time. Source and result differ.
template <class W, class X, int V, int B>
__device__ void apply_general(
    const Pass& p, const Tile& tile, const Factor& f, const typename Wide<X>::type* from,
    typename Wide<X>::type* to) {
    const int across = p.tile_j * p.tile_c / V, groups = (f.b + B - 1) / B;
    const int items = f.a * groups * f.d * across;
    for (int item = threadIdx.x; item < items; item += blockDim.x) {
        int rest = item;
        const int lane = rest % across * V;
        rest /= across;
        const int j = rest % f.d;
        rest /= f.d;
        const int k = rest % groups * B, i = rest / groups;
        const Place at(p, tile, lane);
        if (at.present <= 0) continue;
        Reader<W> w = block_of<W>(p, tile, f, i, j, at.j);
        w.move(k * f.row);
        Lanes<X, V> sum[B];
        multiply<W, X, V, B>(p, f, w, from + lane, i * f.c * f.d + j, f.b - k, sum);
        int row = (i * f.b + k) * f.d + j;
#pragma unroll
        for (int r = 0; r < B; ++r, row += f.d) {
            if (k + r >= f.b) break;
            if (to)
                sum[r].store(to + place(p, row) + lane);
            else
                sum[r].store(
                    target<X>(p, tile, at, row), p.y_column, at.present, p.flags & PACKS_OUT);
        }
    }
}

// One factor of 2 x 2 blocks on the rows x: level L pairs rows whose numbers differ in bit L.
template <class W, class X, int V, int ROWS, int L>
__device__ inline void apply_level(
    const Pass& p, const Tile& tile, const Factor& f, Lanes<X, V>* x, int i, int j, int place_j,
    int stride) {
    const Reader<W> w = block_of<W>(p, tile, f, i * (ROWS >> (L + 1)), j, place_j);
    const int along = stride * p.d * f.inner;
#pragma unroll
    for (int pair = 0; pair < ROWS / 2; ++pair) {
        const int low = pair & ((1 << L) - 1), high = pair >> L;
        const int m = (high << (L + 1)) + low;
        const int block = high * f.outer + low * along;
        Lanes<X, V> top, bottom;
        top.clear();
        bottom.clear();
        top.add(w.get(f, block), x[m]);
        top.add(w.get(f, block + f.column), x[m + (1 << L)]);
        bottom.add(w.get(f, block + f.row), x[m]);
        bottom.add(w.get(f, block + f.row + f.column), x[m + (1 << L)]);
        x[m] = top;
        x[m + (1 << L)] = bottom;
    }
}

// COUNT factors of 2 x 2 blocks, the first of the smallest stride, applied in the order of rising or of
// falling strides. A thread has all rows that they mix, so that source and result may be one.
template <class W, class X, int V, int COUNT>
__device__ void apply_pairs(
    const Pass& p, const Tile& tile, const Stage& stage, const typename Wide<X>::type* from,
    typename Wide<X>::type* to) {
    const int ROWS = 1 << COUNT, L1 = COUNT > 1, L2 = COUNT - 1;
    const Factor* f = p.factor + stage.first;
    const int across = p.tile_j * p.tile_c / V, stride = f[0].d, blocks = f[COUNT - 1].a;
    const int items = blocks * stride * across;
    for (int item = threadIdx.x; item < items; item += blockDim.x) {
        int rest = item;
        const int lane = rest % across * V;
        rest /= across;
        const int j = rest % stride, i = rest / stride;
        const Place at(p, tile, lane);
        if (at.present <= 0) continue;
        const int row = i * ROWS * stride + j;
        Lanes<X, V> x[ROWS];
        if (from) {
#pragma unroll
            for (int m = 0; m < ROWS; ++m) x[m].load(from + place(p, row + m * stride) + lane);
        } else {
            const X* first = source<X>(p, tile, at, row);
            const long long step = p.x_row * p.d * stride;
#pragma unroll
            for (int m = 0; m < ROWS; ++m)
                x[m].load(first + m * step, p.x_column, at.present, p.flags & PACKS_IN);
        }
        if (stage.kind == RISING) {
            apply_level<W, X, V, ROWS, 0>(p, tile, f[0], x, i, j, at.j, stride);
            if (COUNT > 1) apply_level<W, X, V, ROWS, L1>(p, tile, f[L1], x, i, j, at.j, stride);
            if (COUNT > 2) apply_level<W, X, V, ROWS, L2>(p, tile, f[L2], x, i, j, at.j, stride);
        } else {
            if (COUNT > 2) apply_level<W, X, V, ROWS, L2>(p, tile, f[L2], x, i, j, at.j, stride);
            if (COUNT > 1) apply_level<W, X, V, ROWS, L1>(p, tile, f[L1], x, i, j, at.j, stride);
            apply_level<W, X, V, ROWS, 0>(p, tile, f[0], x, i, j, at.j, stride);
        }
        if (to) {
#pragma unroll
            for (int m = 0; m < ROWS; ++m) x[m].store(to + place(p, row + m * stride) + lane);
        } else {
            X* first = target<X>(p, tile, at, row);
            const long long step = p.y_row * p.d * stride;
#pragma unroll
            for (int m = 0; m < ROWS; ++m)
                x[m].store(first + m * step, p.y_column, at.present, p.flags & PACKS_OUT);
        }
    }
}

// W: what weights are held as. X: what argument and result are. V: columns of a thread.
template <class W, class X, int V>
__global__ void __launch_bounds__(512, Reader<W>::BLOCKS) chain_pass(const __grid_constant__ Pass p) {
    typedef typename Wide<X>::type C;
    extern __shared__ __align__(16) unsigned char memory[];
    C* held = reinterpret_cast<C*>(memory);
    C* other = held + p.buffer;
    const Tile tile(p);
    const C* from = nullptr;
    if (p.flags & STAGE_IN) {
        copy_in<X, V>(p, tile, held);
        from = held;
        __syncthreads();
    }
    for (int s = 0; s < p.stages; ++s) {
        const Stage& stage = p.stage[s];
        const bool leaves = s == p.stages - 1 && !(p.flags & STAGE_OUT);
        if (stage.kind == GENERAL) {
            C* to = leaves ? nullptr : other;
            const Factor& f = p.factor[stage.first];
            if (stage.rows == 8)
                apply_general<W, X, V, 8>(p, tile, f, from, to);
            else if (stage.rows == 4)
                apply_general<W, X, V, 4>(p, tile, f, from, to);
            else
                apply_general<W, X, V, 1>(p, tile, f, from, to);
            other = held;
            held = to;
        } else {
            C* to = leaves ? nullptr : held;
            if (stage.count == 3)
                apply_pairs<W, X, V, 3>(p, tile, stage, from, to);
            else if (stage.count == 2)
                apply_pairs<W, X, V, 2>(p, tile, stage, from, to);
            else
                apply_pairs<W, X, V, 1>(p, tile, stage, from, to);
        }
        from = held;
        if (!leaves) __syncthreads();
    }
    if (p.flags & STAGE_OUT) copy_out<X, V>(p, tile, held);
}
