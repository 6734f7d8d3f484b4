"""First stages that search nothing.

A run that somebody recorded (`recorded`, `run_order`), and runs that are fused into
one (`fuse`, `fusion`).
"""
