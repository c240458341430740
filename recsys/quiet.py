"""No library reports home, and each process computes in one thread unless it is told otherwise."""

from __future__ import annotations

import os


def quiet_libraries() -> None:
    """Turn telemetry and update checks of every library off, before any of them is imported."""
    os.environ.update(
        FLWR_TELEMETRY_ENABLED="0",
        FLWR_DISABLE_UPDATE_CHECK="1",
        RAY_USAGE_STATS_ENABLED="0",
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        DO_NOT_TRACK="1",
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")
