"""What a teacher's answer says.

The text without thoughts (`answer_text`), the order of passages that it names (`permutation`), and
what a call and a chain of calls can end as (`outcomes`).
"""
