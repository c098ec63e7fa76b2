"""The engine in PyTorch, an extra: `pip install 'npmoji[torch]'`.

    ops.py           the functions
    recurrence.py    LSTMs: all directions of a layer side by side, on a GPU as recordings
    matrices.py      their matrices in each precision
    settings.py      PyTorch's settings of the whole process

None of them is imported before somebody asks for the engine.
"""
