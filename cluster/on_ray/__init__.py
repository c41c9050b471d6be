"""on_ray: the Ray that a run finds or starts - clusters, jobs, metrics, and what they lack."""
