"""A cross-encoder, from pairs of texts to scores.

`cross_encoder` loads it, `pair_template` and `tokens` make its input, `cuts` says where texts end,
`scoring` turns pairs into scores, `packing` and `packed_forward` without any padding, `compile` and
`hardware` as fast as the machine allows, in a `precision`.
"""
