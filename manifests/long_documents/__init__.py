"""One rule for documents that are longer than a passage, the same in every step.

`rule` cuts a document into overlapping chunks and says how their scores become the document's;
`settings` are its options, `shown` chooses the chunk that a teacher sees, `chunked` lays chunks out
for a student, and `recorded` finds the rule that labels were made by.
"""
