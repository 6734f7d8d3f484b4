"""A cross-encoder, from pairs of texts to scores.

`cross_encoder` loads it, `pair_template` and `tokens` make its input, and `cuts` says where texts
are cut. `scoring` turns pairs into scores, `packing` and `packed_forward` do so without padding;
`device`, `hardware`, `precision` and `compile` make the best of the machine.
"""
