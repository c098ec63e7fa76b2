"""What projects that use torchMoji or deepmoji-onnx import, on npmoji: their names, their results."""
