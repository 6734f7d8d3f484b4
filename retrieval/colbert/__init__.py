"""ColBERTv2 by colbert-ai.

`index` and `build` make a PLAID index, `resume` goes on with a build that was killed, `searcher`
asks it. `checkpoint` finds the model, `codec` and `extensions` do without a compiler, `compat` lets
colbert-ai load beside today's libraries.
"""
