"""Orders candidates by a student.

`candidates` reads lists with their texts, `scores` scores them, `strict_order` decides ties,
`reranker` does it for a worker, `student_identity` names the student.
"""
