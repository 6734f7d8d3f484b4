"""ColBERTv2 by colbert-ai.

`index` and `build` make a PLAID index, `resume` continues a build that was killed, and `searcher`
searches the index. `checkpoint` finds the model, `codec` and `extensions` avoid compiling, and
`compat` lets colbert-ai run with current versions of its libraries.
"""
