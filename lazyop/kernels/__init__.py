"""The only inner loops of the library, and the choice among them.

How a product with a chain comes to its kernels, on NumPy, from above to below:

- `plan` decides, `chain` keeps what is made once: `packing` lays out the weights, `products` and
  `packed_chain` prepare `calls` of kernels and run them;
- `cpu` and `packed_pairs` are what is called: `general`, `thin_vector` and `thin_columns` apply
  factors, whose 2 x 2 blocks share the arithmetic of `pairs`, and the copies of `rows`;
- `lanes`, `interleaved`, `octets`, `streams` and `codes` are registers, and how they are filled;
- `machine_code` has the kernels ready to be called, from `code_files` on disk or as `jit` compiles
  them;
- `by_energy` reads codes of other widths, one after another, and multiplies by them;
- `turns` hands out work by numbers at agreed `places`, the threads of `team` take it; they meet in
  `atomics`. `aligned` and `scratch` have the memory, `addresses` tells where it is.

Without Numba, and on other namespaces, `array_api` has the kernels; on CuPy the `cuda` modules.
The rest are transforms of arrays by the libraries that have them.
"""
