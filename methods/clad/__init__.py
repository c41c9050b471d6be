"""CLAD: pruning criteria learned with the network, guided by the dense network's attention."""
