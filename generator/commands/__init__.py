"""The `rankgen` commands, one a file: options in, a call into the rooms, a short result out.

`recipes/` is what `rankgen run` knows of a recipe before it runs one. Nothing heavy is imported
before a command runs, so that `rankgen --help` answers at once.
"""
