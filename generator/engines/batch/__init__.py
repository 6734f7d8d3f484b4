"""A server's Batch API, which answers within a day and for less money; `engine` asks it.

`rounds` gathers requests into batches, `records` keeps them in the run's folder, under the names of
`window_calls`, so that none is paid twice; `transport` calls the server, `finished` waits for a
batch and reads it by `lines`, `faults` says why there is no answer.
"""
