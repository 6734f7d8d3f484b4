"""What `rankgen doctor` looks at: every module gathers facts, and judges them in a pure function.

`checks.CHECKS` is the only list of them.
"""
