// What CUDA C++ has that C++ does not, so that kernels run on a CPU: the threads of a block take turns,
// each until the next barrier, in rising or in falling order, and blocks run one after another.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __shared__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct Index { unsigned x; };
static Index threadIdx, blockIdx, blockDim;

__attribute__((aligned(16))) unsigned char memory[1 << 19];

static int min(int a, int b) { return a < b ? a : b; }
static float bits_to_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
static unsigned float_to_bits(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }

// IEEE half precision by hand, as not every compiler has it: to nearest, ties to even.
static float half_to_float(unsigned short bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float sign = bits >> 15 ? -1.f : 1.f;
    if (exponent == 31) return fraction ? NAN : sign * INFINITY;
    return sign * std::ldexp(float(exponent ? fraction + 1024 : fraction), (exponent ? exponent : 1) - 25);
}
static unsigned short float_to_half(float x) {
    const unsigned short sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) return 0x7e00;
    const float size = std::fabs(x);
    if (size >= 65520.f) return sign | 0x7c00;
    const int exponent = size < 6.103515625e-5f ? -14 : std::ilogb(size);
    const int scaled = int(std::nearbyint(std::ldexp(size, 10 - exponent)));  // with the leading bit
    return sign | (unsigned short)(((exponent + 14) << 10) + scaled);
}

static ucontext_t scheduler;
static std::vector<ucontext_t> threads;
static std::vector<char> finished;
static unsigned current;

static void __syncthreads() {
    swapcontext(&threads[current], &scheduler);
    threadIdx.x = current;
}

typedef void (*Kernel)(const void*);
static Kernel kernel;
static const void* argument;

static void one_thread() {
    threadIdx.x = current;
    kernel(argument);
    finished[current] = 1;
    swapcontext(&threads[current], &scheduler);
}

// Returns 0, or 1 where some threads of a block end while others are at a barrier, 2 where a block is too
// large, and 3 where shared memory is written beyond its end.
static int launch(unsigned grid, unsigned block, unsigned shared_bytes, bool falls) {
    const size_t size = 1 << 15;
    static char stacks[size * 512];
    if (block > 512 || shared_bytes > sizeof memory - 64) return 2;
    threads.resize(block);
    blockDim.x = block;
    for (unsigned b = 0; b < grid; ++b) {
        blockIdx.x = b;
        std::memset(memory, 0xff, shared_bytes + 64);  // NaN, for what is read but never written
        finished.assign(block, 0);
        for (unsigned t = 0; t < block; ++t) {
            getcontext(&threads[t]);
            threads[t].uc_stack.ss_sp = &stacks[size * t];
            threads[t].uc_stack.ss_size = size;
            threads[t].uc_link = nullptr;
            makecontext(&threads[t], one_thread, 0);
        }
        for (unsigned done = 0; done < block;) {
            done = 0;
            for (unsigned k = 0; k < block; ++k) {
                current = falls ? block - 1 - k : k;
                swapcontext(&scheduler, &threads[current]);
                done += finished[current];
            }
            if (done && done < block) return 1;
        }
        for (unsigned k = 0; k < 64; ++k)
            if (memory[shared_bytes + k] != 0xff) return 3;
    }
    return 0;
}
