"""Train workers: the processes in which jobs of Ray Train do their work for a test."""

import subprocess
from collections.abc import Callable


def workers_of(cluster) -> list[int]:
    """Those on all nodes of a cluster."""
    session = cluster.head_node.get_session_dir_path()
    return _workers(lambda _, args: session in args)


def workers_below(pid: int) -> list[int]:
    """Those of the Ray that a command has started."""
    return _workers(lambda parent, _: parent == str(pid))


def _workers(is_meant: Callable[[str, str], bool]) -> list[int]:
    """Those below the raylets that are meant, by their parent and their arguments."""
    asked = ["ps", "-ewwo", "pid,ppid,args"]
    every = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    processes = [line.split(maxsplit=2) for line in every.splitlines()[1:]]
    raylets = {
        pid for pid, parent, args in processes if "raylet" in args and is_meant(parent, args)
    }
    return [
        int(pid)
        for pid, parent, args in processes
        if parent in raylets and "RayTrainWorker" in args
    ]
