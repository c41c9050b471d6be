"""training: networks trained from scratch, or further, taught by the dense one."""
