"""The checks of `rankgen doctor`: each module gathers facts and judges them in a pure function.

`checks.CHECKS` lists all of them.
"""
