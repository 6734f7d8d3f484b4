"""Identity, completeness, kinds and speed of models.

`model_source` identifies a model by its content or commit, `loading_report` refuses one that lacks
weights, `half_precision` measures which number formats are fast on this machine, and `cpu_kernels`
multiplies with the faster library. `families` says which kind of re-ranker a model is, and
`two_outputs` which of two logits means relevant; `pair_prompts`, `pair_ids` and `pair_model` are
how those that are language models are asked about a pair, and `rendered_pairs` proves that any
re-ranker is shown both texts.
"""
