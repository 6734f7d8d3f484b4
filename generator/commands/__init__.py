"""The `rankgen` commands, one a file: options in, a call into the rooms, a short result out.

Nothing heavy is imported before a command runs, so that `rankgen --help` answers at once.
"""
