"""How other processes are started: without code of the current folder, and so that none outlives this one.

Imports nothing, since the modules here run before anything else does.
"""
