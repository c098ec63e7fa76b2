"""What projects that use torchMoji or deepmoji-onnx import, on npmoji: their names, their results.

installing.py     how unchanged scripts get them under the packages' own names
torchmoji/        torchMoji: its modules, its arithmetic, its tokenizer
deepmoji_onnx.py  deepmoji-onnx: its two classes

Nothing else imports any of it. docs/compat.md is the page for its users.
"""
