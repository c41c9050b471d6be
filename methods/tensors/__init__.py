"""tensors: named tensors, from files that cannot run code to networks and back."""
