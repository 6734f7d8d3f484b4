"""How each kind of re-ranker is loaded, and what it is saved as.

`choose` tells the kind by the checkpoint's files (`layout`), and each kind is a module that returns
what `loaded` describes: `classifier`, `modular` (sentence-transformers' modules, written by
`modular_files`), `lightning_ir` and `answers` (language models that answer yes or no, of which some
classifiers are `converted`). `reading`
says how the checkpoint's own library makes the input of a pair, by what its files ask for
(`processing`), and `chat_pairs` renders it by a chat template; `kept_files` keeps those files when
a student is saved.
"""
