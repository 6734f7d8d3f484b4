"""Any OpenAI-compatible server; `engine` asks it.

`address` is where it is, `probe` checks it first, `request_body` and `request_fields` make a
request, `answer` and `refusal` read what comes back, `pace` and `retry` say when to ask again.
`answered_model`, `served_run`, `short_reads` and `notes` are about all answers of a run.
"""
