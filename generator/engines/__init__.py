"""The engines of listwise teachers; `base` is what each has to offer.

`vllm` works in this process, `server` asks any OpenAI-compatible server, `batch` its Batch API, and
`cost` keeps what a server asks for below a cap. `settings` are what a user can say of them, and
`gauges` their live measurements.
"""
