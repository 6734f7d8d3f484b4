"""Makes a student a folder that servers load, and says what was lost on the way.

`ship` is the whole of it, and `settings` what it can be told. `onnx_export` writes the graph and
`int8` its quantised form; `onnx_student` reads a shipped folder as a student. `validation_set`,
`quality` and `calibration` measure it; `servers`, `snippets` and `card` say who serves it and how.
"""
