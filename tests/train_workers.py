"""Train workers: the processes in which jobs of Ray Train do their work on a cluster of a test."""

import subprocess


def workers_of(cluster) -> list[int]:
    """The processes in which workers train, on all nodes of a cluster."""
    session = cluster.head_node.get_session_dir_path()
    asked = ["ps", "-ewwo", "pid,ppid,args"]
    every = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    processes = [line.split(maxsplit=2) for line in every.splitlines()[1:]]
    raylets = {pid for pid, _, args in processes if "raylet" in args and session in args}
    return [
        int(pid) for pid, ppid, args in processes if ppid in raylets and "RayTrainWorker" in args
    ]
