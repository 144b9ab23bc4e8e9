"""Where a batch runs."""

import functools

from ichmonai.cores import usable_cores
from ichmonai.prediction.local import predict_locally
from ichmonai.prediction.run import Engine


def make_engine(name: str, workers: int | None, timeout: float, classifies: bool) -> Engine:
    """The engine of a name.

    Args:
        name: `local` or `ray`.
        workers: processes; one a core, or what the cluster has room for, where None.
        timeout: seconds for one series.
        classifies: False to read and check only.

    Raises:
        InputError: when Ray is asked for and not installed or not running.
    """
    if name == "ray":
        from ichmonai.prediction.cluster import predict_on_ray

        return functools.partial(predict_on_ray, actors=workers, timeout=timeout, classifies=classifies)
    processes = workers or usable_cores()
    return functools.partial(predict_locally, workers=processes, timeout=timeout, classifies=classifies)
