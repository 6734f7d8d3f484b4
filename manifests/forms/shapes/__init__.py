"""The five shapes of public forms, a module each, and what only they need.

`trec_run` and `scored_rows` yield batches of scored documents (`scored_columns` and `scored_tables`
find and read the columns); `list_rows`, with `candidate_rows`, `own_rankings` and `text_lists`,
`pos_neg`, with `passages`, and `prompts`, with `prompt_text`, yield lists.
"""
