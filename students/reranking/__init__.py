"""Orders candidates by a student.

`candidates` reads lists with their texts, `reranker` loads a student and scores and orders them,
`strict_order` decides ties, `student_identity` says which student it is.
"""
