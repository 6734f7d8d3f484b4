"""Makes a student a folder that servers load, and says what was lost on the way.

`ship` is the whole of it, `settings` what it can be told, `work` the student at hand. `graph`
writes what is served: `onnx_export` the ONNX form (without what nobody reads, `first_tokens`, and
so that it is computed fast, `plain_sums`), `int8` the quantised one, `openvino_export` OpenVINO's.
`sessions` computes them, and `shipped_student` reads a shipped folder (`shipped_folder`, `record`)
as a student; `shipped_before` says whether one is what was asked for. `validation_set`, `quality`
and `calibration` measure it; `servers`, `snippets`, `card` and `draft` say who serves it and how.
"""
