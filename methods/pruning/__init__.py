"""pruning: which channels go together, which matter, and how they are cut, in PyTorch and ONNX."""
