"""training: jobs of Ray Train on images - CLAD, and networks of a front trained further."""
