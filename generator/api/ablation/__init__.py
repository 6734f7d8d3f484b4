"""`ablate`: `run` trains and measures a student for each cell of a `grid`, given its `settings`.

`forecast` tells what the cells would cost, and `compared` where their queries differ.
"""
