"""A cross-encoder, from pairs of texts to scores.

`loading` loads it, by the kind of its checkpoint (`families/`), as a `cross_encoder`; its model is
one of transformers or a `student_model` with a head of another kind, such as `pooled_model`.
`bundled` names a backbone that comes with a package. `adapters` puts low-rank adapters into a
model; `adapter_folder` and `adapter_loading` read them. `pair_source` makes its input, by
`pair_template` and `tokens`; `cuts` and `pair_cut` say where it is cut. `scoring` turns pairs into
scores, `packing` and `packed_forward` do so without padding, and `wide_scores` keeps their digits;
`device`, `hardware`, `precision` and `compile` make the best of the machine.
"""
