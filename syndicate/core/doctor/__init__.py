"""Judges how this installation stands: facts in, findings out. Who gathers the facts: ``service/doctor/``.

Questions to the DNS are asked by generators (``names.py``), so that nothing here waits for a network.
"""
