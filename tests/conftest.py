"""Settings of the whole suite, and a cluster for the rooms that spread work over one."""

import pytest
from hypothesis import HealthCheck, settings

# the same examples on every machine and no time limits: machines are noisy, and a failure must repeat
settings.register_profile("bonepk", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bonepk")


@pytest.fixture(scope="module")
def client():
    """Give a client of two worker processes of one thread each; new for every module, because tests kill workers."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        yield client
