"""`rankgen rerank`: candidates in, the same candidates in a student's order out."""
