"""Networks as ONNX files: `npmoji convert IN OUT.onnx`. Needs the package onnx (extra ``[onnx]``).

    graph.py        nodes and constants as they are added
    masks.py        valid steps moved together for operators that know lengths only, and back
    recurrent.py    LSTM, GRU, SimpleRNN and Bidirectional
    queries.py      attention of queries to keys
    layers.py       every other layer: a table of functions
    quantised.py    layers of whole numbers
    write.py        a whole network: inputs, outputs, metadata
    rounding.py     fp16 and int8 as ONNX Runtime has them, and how well they agree

Operators: https://onnx.ai/onnx/operators
"""
