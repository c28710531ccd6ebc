"""Processes and their life: wiring, passes, the clock, the run. The only place that builds objects."""
