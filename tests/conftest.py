"""Settings of the whole suite."""

from hypothesis import HealthCheck, settings

# the same examples on every machine and no time limits: machines are noisy, and a failure must repeat
settings.register_profile("bonepk", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bonepk")
