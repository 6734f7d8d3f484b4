"""Single files of a form: `opened` undoes the compression, `rows` and `text_blocks` read them.

`out_file` writes one, whole or absent.
"""
