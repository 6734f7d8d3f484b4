"""Writers of public forms; `registry` lists them, and `base` is what each has to offer.

`run_lists` reads the lists of a run for them. `scored` writes a document a row, `lists` a list,
`pairs` pairs and triples, `pos_neg` positive and negative passages, `prompts` chats.
"""
