"""A `Graph` in PyTorch, with gradients: what `npmoji.learn.Trainer` trains. An extra: `pip install 'npmoji[torch]'`.

    table.py         one pass through the graph; the table from a class of layer to its function of tensors
    network.py       `Differentiable`: a graph's arrays as tensors, its outputs as functions of them
    elementwise.py   activations; look-up, affine maps, dropout
    packing.py       which steps of a batch recurrent layers go through, in which order
    scan.py          the recurrence of LSTMs, with a gradient by hand
    recurrent.py     LSTM, GRU, SimpleRNN, Bidirectional
    attention.py     weighted averages over time
    queries.py       attention of queries to keys, affine maps along any axes, positions
    merging.py       several arrays to one, other shapes, layers around layers
    operations.py    single functions between layers; functions.py, those with a gradient
    windows.py       convolution, pooling, normalisation
    quantised.py     layers of whole numbers, which are not trained
    texts.py         numbers of words, which have no gradient
    planes.py        the same for planes, single features and places; numbers on another scale

The formulas are those of the layers' own docstrings; what a gradient adds to them is said beside it. Nothing here is
imported before it is used, and nothing changes PyTorch's own settings or its generator.
"""
