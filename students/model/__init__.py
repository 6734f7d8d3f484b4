"""A cross-encoder, from pairs of texts to scores.

`loading` loads it, by the kind of its checkpoint (`families/`), as a `cross_encoder`; its model is
one of transformers or a `student_model` with a head of another kind, such as `pooled_model`.
`pair_template` and `tokens` make its input; `cuts` and `pair_cut` say where it is cut. `scoring`
turns pairs into scores, `packing` and `packed_forward` do so without padding; `device`, `hardware`,
`precision` and `compile` make the best of the machine.
"""
