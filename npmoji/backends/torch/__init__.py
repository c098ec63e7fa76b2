"""The PyTorch engine, an extra: `pip install 'npmoji[torch]'`.

    ops.py           the functions
    recurrence.py    LSTMs: all directions of a layer together, on a GPU as recorded graphs
    matrices.py      their matrices in each precision
    settings.py      PyTorch's process-wide settings

None of them is imported before the engine is requested.
"""
