"""methods: what a candidate means for a network - plan, criteria, cutting, ONNX, measuring."""
