"""How many processes are worth starting."""

import joblib


def usable_cores() -> int:
    """Cores that this process may use, at least 1.

    They are those of the machine, less where the process is bound to some of them, a container has a quota of CPU time
    (rounded up), or the environment variable `LOKY_MAX_CPU_COUNT` says less.

    Example:
        >>> usable_cores() >= 1
        True
    """
    return joblib.cpu_count()  # noqa: TID251 - the one place
