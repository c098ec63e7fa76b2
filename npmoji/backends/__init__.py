"""The arithmetic: one module a backend, with the same function names and signatures.

`numpy_ops` is the reference: plain NumPy that says what each function means. `numba_ops` is the fast path. Layers are
handed a backend with every call. `numpy_precision` is the reference for LSTM weights in less than float32, which
`numba_ops` knows itself.
"""
